/* Shared by the Annotate and Lead tabs: calls to the server, elements made from text, dialogs, sign-in. */
"use strict";

STAR.desk = STAR.desk || (() => {
  /* An element, as make("p.note", {title: "x"}, "text", child). Strings become text, never HTML. */
  function make(what, given = {}, ...children) {
    const [tag, ...classes] = what.split(".");
    const made = document.createElement(tag);
    if (classes.length) made.className = classes.join(" ");
    for (const [name, value] of Object.entries(given)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return made;
  }

  /* A name or title with its own writing direction, which cannot turn the text beside it. `isolated`: for attributes,
     options and sentences, where no element is possible; it removes characters that end the isolation. */
  const bdi = (text) => make("bdi", {}, text);
  const isolated = (text) => `\u2068${String(text).replace(/[\u2066-\u2069]/g, "")}\u2069`;

  class Refusal extends Error {
    constructor(status, words, data = {}) {
      super(words);
      this.status = status; // 0: the server did not answer
      this.data = data;
    }
  }

  /* GET, or POST with a body. A string is sent unchanged, so that a repeated save is identical. */
  async function call(path, body, options = {}) {
    const posted = body !== undefined;
    let reply;
    try {
      reply = await fetch(path, {
        method: posted ? "POST" : "GET",
        headers: { "X-Star": "1", ...(posted ? { "Content-Type": "application/json" } : {}) },
        body: posted ? (typeof body === "string" ? body : JSON.stringify(body)) : undefined,
        credentials: "same-origin",
        cache: "no-store",
        ...options,
      });
    } catch {
      throw new Refusal(0, "The server does not answer.");
    }
    const data = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Refusal(reply.status, data.error || data.detail || `The server answered ${reply.status}.`, data);
    return data;
  }

  /* Whether the server or its database cannot be reached now. */
  const away = (error) => error instanceof Refusal && (error.status === 0 || error.status >= 500);

  /* Do the work; repeat it with growing waits while the server or its database is away. told(error) is called before each
     wait. alive(): whether the result is still wanted; if not, resolves with undefined. */
  async function patiently(work, told, alive = () => true) {
    for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
      try {
        const done = await work();
        return alive() ? done : undefined;
      } catch (error) {
        if (!away(error)) throw error;
        if (alive()) told(error);
      }
      // Random waits, so that the pages do not all return at the same moment.
      await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
      if (!alive()) return undefined;
    }
  }

  /* A dialog over the page. Resolves with the argument of `done`, or null after Escape. */
  function dialog(title, fill, { wide = false } = {}) {
    return new Promise((resolve) => {
      const before = document.activeElement;
      let result = null;
      const box = make("dialog.star-dialog", { "aria-label": title });
      if (wide) box.classList.add("wide");
      const done = (value) => { result = value; box.close(); };
      const body = make("div.star-dialog-body");
      box.append(
        make("header", {}, make("h3", {}, bdi(title)),
          make("button.star-close", { type: "button", "aria-label": "Close", onclick: () => done(null) }, "×")),
        body,
      );
      fill(body, done);
      box.addEventListener("click", (event) => { if (event.target === box) done(null); });
      box.addEventListener("close", () => {
        box.remove();
        if (before && before.isConnected) before.focus({ preventScroll: true });
        resolve(result);
      });
      (document.querySelector(".gradio-container") || document.body).append(box);
      box.showModal();
      const first = body.querySelector("[data-first]");
      if (first) first.focus();
    });
  }

  const open = () => Boolean(document.querySelector("dialog[open]"));

  /* Whether the visitor types into a field, so that its keys are not commands. */
  const writing = (target) => target instanceof Element
    && Boolean(target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable=true]"));

  /* Show words in a `.star-status` line. kind: idle, busy, done, error. */
  function say(line, words, kind = "idle") {
    line.className = `star-status ${kind}`;
    line.replaceChildren(make("span.star-dot", { "aria-hidden": "true" }), make("span", {}, words));
  }

  const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

  function lasted(seconds) {
    if (seconds === null || seconds === undefined) return "—";
    return seconds < 90 ? `${Math.round(seconds)} s` : `${(seconds / 60).toFixed(1)} min`;
  }

  const uuid = () => (crypto.randomUUID ? crypto.randomUUID() : "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) =>
    (Number(c) ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (Number(c) / 4)))).toString(16)));

  /* Tell both tabs who is signed in now. */
  function person(said) {
    document.dispatchEvent(new CustomEvent("star-person", { detail: said }));
  }

  /* Shown while nobody is signed in: names to pick or enter (one machine), or a link to the login page (accounts). */
  function entrance(box, said, { role, title, words, action }) {
    box.replaceChildren();
    const line = make("p.star-status", { role: "alert" });
    if (said.auth) {
      box.append(make("div.star-enter", {}, make("h2", {}, title), make("p", {}, said.person
        ? `You are signed in as ${isolated(said.person.name)}, whose role is ${said.person.role}. ${words}`
        : "Nobody is signed in."), make("a.star-link", { href: "star-door/login" }, "Sign in")));
      return;
    }
    const names = make("datalist", { id: `star-names-${role}` }, said.people.map((name) => make("option", { value: name })));
    const input = make("input", { type: "text", maxLength: 80, autocomplete: "off", spellcheck: false, "aria-label": "Your name" });
    input.setAttribute("list", names.id);
    const go = async (event) => {
      event.preventDefault();
      try { person(await call("star-door/enter", { name: input.value, role })); } catch (error) { say(line, error.message, "error"); }
    };
    const picks = role === "annotator" && said.people.length
      ? make("div.star-names", {}, said.people.slice(0, 12).map((name) => make("button.star-button", {
        type: "button", onclick: (event) => { input.value = name; go(event); } }, bdi(name))))
      : null;
    box.append(make("form.star-enter", { onsubmit: go }, make("h2", {}, title), make("p", {}, words), picks,
      make("label", {}, picks ? "Or enter your name" : "Your name", input), names,
      make("button.star-button.primary", { type: "submit" }, action), line));
  }

  return { make, bdi, isolated, call, away, patiently, dialog, open, writing, say, time, lasted, uuid, person, entrance, Refusal };
})();
