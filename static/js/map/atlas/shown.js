/** What an atlas shows; no code. */

/** @typedef {import("../geometry.js").Box} Box */
/** @typedef {import("../geometry.js").View} View */
/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Range} Range */
/** @typedef {import("../../types.js").Shape} Shape */
/**
 * @typedef {object} Shown what is drawn, and how
 * @property {import("../../source/site.js").SiteSource} source
 * @property {number} layer
 * @property {number} head
 * @property {import("../../types.js").Reduction} how
 * @property {Axis} queries
 * @property {Axis} keys
 * @property {boolean} holes whether some cells are masked
 * @property {import("../../types.js").Scale} scale
 * @property {import("../../types.js").Palette} palette
 * @property {import("../../types.js").Theme} theme
 * @property {Range | null} rows in view; null: all
 * @property {Range | null} cols
 *
 * @typedef {{shown: Shown, box: Box, view: View, shape: Shape}} Drawn what is drawn, and where
 */

export {};
