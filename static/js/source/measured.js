/** The same answer, its maps by another measure of their cells than the weights: whatever shows maps shows that. */

import { encodeS8log, VALUES } from "../api/s8log.js";
import { isFar, levelsOf } from "../map/atlas/levels.js";
import { isCausal, isMasked, Session } from "./session.js";

/** @typedef {import("../types.js").Head} Head */
/** @typedef {import("../types.js").HeadMap} HeadMap */
/** @typedef {import("../types.js").Measure} Measure */
/** @typedef {import("../types.js").Unit} Unit */
/** @typedef {import("./trace_source.js").TraceSource} TraceSource */

const SHORT = 1 << 19; // cells of what stays of a measure that is not on show: 2 MB

/** The largest value of some codes, without its sign; 1 where all are 0 or masked. @param {Uint8Array | null} codes */
function largestOf(codes) {
  let most = 0;
  codes?.forEach((code) => code && (most = Math.max(most, Math.abs(VALUES[code]))));
  return most || 1;
}

export class MeasuredSession extends Session {
  /** @param {Session} base whose weights are known @param {TraceSource} source of the measure @param {Measure} measure */
  constructor(base, source, measure) {
    super(base.draft, base.model, source);
    this.base = base;
    this.measure = measure;
    this.controller = base.controller; // what the answer no longer needs, its measures do not either
    this.codes = VALUES;
    this.encode = encodeS8log;
    /** @type {Map<string, Unit>} of sites whose largest value is known, and of far maps */
    this.units = new Map();
  }

  /** @param {string} site @param {Head} which */
  name(site, { layer, head }) {
    return isFar(this.site(site)) ? `${site}/${layer}/${head}` : site;
  }

  /** @override @type {Session["unitOf"]} */
  unitOf(site, which) {
    return this.units.get(this.name(site, which));
  }

  /**
   * What the ramp's last colour stands for: the site's largest value, so that two heads can be compared by eye; of a map
   * that is never in the page whole its own, since all heads' would take long.
   *
   * @param {string} site
   * @param {Head} which
   */
  async prepare(site, which) {
    const name = this.name(site, which);
    if (this.units.has(name)) return;
    const { levels, shape } = this.site(site);
    const limit = isFar(this.site(site))
      ? await this.source
          .tiles({ site, ...which, how: "max" }, (levels ?? levelsOf(shape)) - 1, [[0, 0]], this.controller.signal)
          .then(([{ tile }]) => largestOf(tile.codes))
      : largestOf((await this.thumbnails(site)).codes);
    this.units.set(name, { name: this.measure.name, signed: this.measure.signed, limit });
  }

  /** @override @type {Session["map"]} */
  async map(name, layer, head) {
    const site = this.site(name);
    await this.prepare(name, { layer, head });
    const hidden = isMasked(site) && !isCausal(site); // a value may be 0 where a weight is not
    const [map, weights] = await Promise.all([
      super.map(name, layer, head),
      hidden ? this.base.map(name, layer, head) : null,
    ]);
    return { ...map, unit: this.unitOf(name, { layer, head }), seen: weights?.weights };
  }

  /** @override @type {Session["seenRow"]} */
  async seenRow(site, layer, head, row) {
    if (!isMasked(site) || isCausal(site)) return undefined;
    return this.base.source.window(site.name, { layer, head }, [row, row + 1], [0, site.shape[1]], this.controller.signal);
  }

  /** Forgets what is long: another measure is on show. */
  thin() {
    for (const [name, { cells }] of this.kept) if (cells > SHORT) this.kept.delete(name);
  }

  /** @override @type {Session["layer"]} */
  layer(site, layer) {
    return this.base.layer(site, layer);
  }

  /** @override @type {Session["heads"]} */
  heads() {
    return this.base.heads();
  }
}
