"use strict";
STAR.lead = (root) => {};
