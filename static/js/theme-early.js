// Runs before the first paint, as a plain script, so that a chosen theme does not flash the other one.
try {
  const theme = localStorage.getItem("heedmap.theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be refused; the system's preference then stands.
}
