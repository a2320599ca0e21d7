/** Everything that the page says, by language. */

import { en } from "./strings-en.js";
import { zh } from "./strings-zh.js";

export const STRINGS = { en, zh };
