// Begins a page that carries the explorer and a trace in itself: it unpacks the program, which the page's policy knows by
// its hash. A plain script, behind all that the program looks for at once.
{
  /** @param {string} base64 of gzip */
  const unpacked = (base64) => {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const start = async () => {
    const script = document.createElement("script");
    script.type = "module";
    script.textContent = await unpacked(document.getElementById("program")?.textContent ?? "");
    document.head.append(script);
  };
  start().catch(() => {
    const said = document.getElementById("unstarted");
    if (said) said.hidden = false;
  });
}
