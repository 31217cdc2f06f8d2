/* Ids of the answers shown in this browser, newest first. They are kept in this browser alone. */
"use strict";

STAR.mine = (() => {
  const KEY = "star-answers", MOST = 50;
  let held = null; // where the browser keeps nothing, as in some private windows

  function all() {
    try {
      const ids = JSON.parse(localStorage.getItem(KEY) || "[]");
      return Array.isArray(ids) ? ids.filter((id) => /^[0-9a-f]{32}$/.test(id)).slice(0, MOST) : [];
    } catch { return held || []; }
  }
  function keep(ids) {
    held = ids.slice(0, MOST);
    try { localStorage.setItem(KEY, JSON.stringify(held)); } catch { /* in memory alone */ }
    document.dispatchEvent(new CustomEvent("star-mine"));
  }
  const add = (id) => { if (all()[0] !== id) keep([id, ...all().filter((other) => other !== id)]); };
  const drop = (gone) => keep(all().filter((id) => !gone.includes(id)));
  return { all, add, drop };
})();
