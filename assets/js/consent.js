/* Whether what the visitor says of recommendations is kept for training. Off until the box is ticked, in this browser. */
"use strict";

STAR.consent = (element, server) => {
  const KEY = "star-feedback-consent";
  const root = element.querySelector(".star-consent"), box = element.querySelector("[data-agree]");
  const note = element.querySelector("[data-said]");
  const told = new Map(); // item → what was said of it on this page, and of which answer
  let held = ""; // where the browser keeps nothing

  function token() {
    try { return localStorage.getItem(KEY) || held; } catch { return held; }
  }
  function keep(made) {
    held = made;
    try {
      if (made) localStorage.setItem(KEY, made);
      else localStorage.removeItem(KEY);
    } catch { /* until the page is closed */ }
  }
  const random = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const failed = () => ({ error: "The server does not answer; try again in a moment." });

  async function send(item) {
    const { run, did } = told.get(item);
    const { error } = await server.keep({ token: token(), run, item, do: did }).catch(failed);
    note.textContent = error || (did ? "Kept." : "Deleted.");
  }
  function draw() {
    box.checked = Boolean(token());
    root.hidden = !box.checked && ![...told.values()].some(({ did }) => did);
  }

  document.addEventListener("star-told", ({ detail: { item, did } }) => {
    const before = told.get(item);
    told.set(item, { run: (did ? "" : before && before.run) || STAR.explore.run(), did });
    if (token()) send(item);
    draw();
  });
  box.addEventListener("change", async () => {
    if (box.checked) {
      keep(random());
      for (const [item, { did }] of told) if (did) await send(item);
      if (!note.textContent) note.textContent = "Kept from now on.";
      return;
    }
    const { error } = await server.forget(token()).catch(failed);
    if (!error) keep("");
    note.textContent = error || "All that was kept is deleted.";
    box.checked = Boolean(token());
  });
  draw();
};
