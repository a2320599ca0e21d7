/** Grouped heads: which query heads share the keys and values of one group. */

import { t } from "../../text/i18n.js";

/** @typedef {import("../../types.js").Site} Site */

/** @param {Pick<Site, "heads" | "kv_heads">} site whether there is something to say */
export function grouped({ heads, kv_heads }) {
  return kv_heads > 0 && kv_heads < heads;
}

/** @typedef {Pick<Site, "heads" | "kv_heads">} Heads */

/** The group that a query head reads from. @param {Heads} site @param {number} head */
export function groupOf({ heads, kv_heads }, head) {
  return Math.floor(head / (heads / kv_heads));
}

/** Each group's query heads, both ends in. @param {Heads} site @returns {{group: number, first: number, last: number}[]} */
export function groupsOf({ heads, kv_heads }) {
  const size = heads / kv_heads;
  return Array.from({ length: kv_heads }, (_, group) => ({ group, first: group * size, last: (group + 1) * size - 1 }));
}

/** A group with its heads, as people read it. @param {Heads} site @param {number} group */
export function groupName(site, group) {
  const { first, last } = groupsOf(site)[group];
  return first === last ? t("groupOne", { group, head: first }) : t("groupMany", { group, first, last });
}
