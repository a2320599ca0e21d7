/** How far the maps on show are proven to be the model's own, and a warning that nobody can miss where they are not. */

import { byId } from "./dom.js";
import { t } from "../text/i18n.js";

/** @typedef {import("../types.js").Certificate} Certificate */

/** @param {number | null | undefined} value @param {number} digits */
const short = (value, digits) => (value ? value.toExponential(digits).replace("+", "") : "0");

/** @param {Certificate} certificate */
export function showCertificate({ max_error, relative_error, tolerance, warning, rows_checked, ...rest }) {
  const checked = typeof max_error === "number";
  const button = byId("certificate");
  button.textContent = checked ? t("certificate", { error: short(max_error, 0) }) : t("certificateGiven");
  button.classList.toggle("doubtful", Boolean(warning) || !checked);
  const versions = Object.entries(rest.versions)
    .map((pair) => pair.join(" "))
    .join(", ");
  const facts = { error: short(max_error, 1), rows: rows_checked, kernel: rest.kernel, dtype: rest.dtype, versions };
  const measured = typeof relative_error === "number" && typeof tolerance === "number";
  const shares = { relative: short(relative_error, 0), tolerance: short(tolerance, 0), dtype: rest.dtype };
  const against = measured ? ` ${t("certificateRelative", shares)}` : "";
  byId("certificate-text").textContent =
    t(checked ? "certificateText" : "certificateGivenText", facts) + (checked ? against : "");
  byId("warning").hidden = !warning;
  byId("warning-text").textContent = warning ?? "";
}

/**
 * The error of one head, where the certificate has it.
 *
 * @param {Certificate} certificate
 * @param {string} site
 * @param {number} layer
 * @param {number} head
 */
export function errorOf(certificate, site, layer, head) {
  const error = certificate.errors?.[site]?.[layer]?.[head];
  return typeof error === "number" ? short(error, 1) : null;
}
