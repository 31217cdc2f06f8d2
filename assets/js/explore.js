/* The Explore tab around an answer: whose answer is shown, its address, where to look, and a server that is lost. */
"use strict";

STAR.explore = (() => {
  const BEAT = 1500; // milliseconds between two calls that ask whether the server is there
  const RESUME = "star-go-on"; // set before a reload that asks again
  const SAID = ["read", "no", "more"]; // what can be said of a recommended item
  const find = (selector) => document.querySelector(selector);
  let picked = null; // {value, words}: what the picker holds, and its words for reader and shelf
  let shown = null; // the question of the answer that is on the page
  let run = addressed().run; // the answer that the address names
  let owner = null; // its question, once it is known
  let beat = 0;
  let asks = null; // the item that the next question is about
  let tell = null; // notes what the visitor says of an item
  let begin = null; // picks an example and brings its answer
  let adopt = null; // picks what an answer was asked for
  let bare = Boolean(run) && !/[?&](reader|shelf)=/.test(location.search); // the address names an answer and no more

  /* Whose answer is shown */
  const whose = (value) => JSON.stringify(value.mode === "shelf" ? ["shelf", value.shelf] : ["reader", value.reader]);
  const told = (value) => JSON.stringify(SAID.map((did) => (value.feedback || []).filter((each) => each.do === did).map((each) => each.item)));

  function mark() {
    const answer = find(".star-answer"), note = find(".star-stale");
    if (!answer || !note || !picked) return;
    const stale = Boolean(shown) && whose(shown) !== whose(picked.value);
    const more = Boolean(shown) && !stale && told(shown) !== told(picked.value);
    const said = (picked.value.feedback || []).length > 0;
    const kind = shown && shown.mode === "shelf" ? picked.words.shelfWord : picked.words.user;
    const words = stale ? `This answer is for another ${kind}; press Recommend.` : more ? `What you ${said ? "said" : "undid"} counts from the next answer on.` : "";
    answer.classList.toggle("stale", stale);
    note.classList.toggle("told", more);
    if (note.firstChild?.data !== words) note.replaceChildren(...(words ? [words] : []), ...(more ? [press("Recommend again", "#recommend")] : []), ...(more && said ? [press("Undo", "#picker [data-told-none]")] : []));
    for (const button of document.querySelectorAll("#cards [data-feedback]")) {
      const on = (picked.value.feedback || []).some((each) => each.do === button.dataset.feedback && each.item === Number(button.dataset.of));
      button.setAttribute("aria-pressed", String(on));
    }
  }

  /* A button that presses another one. */
  function press(words, selector) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "star-link";
    button.textContent = words;
    button.addEventListener("click", () => find(selector).click());
    return button;
  }

  /* The address names what is picked and the answer, so that reloading and going back keep both. */
  function address(value, id) {
    const parts = new URLSearchParams(location.search);
    for (const name of ["reader", "shelf", ...SAID, "k", "seed", "run"]) parts.delete(name);
    if (value.mode === "shelf") { if (value.shelf.length) parts.set("shelf", value.shelf.join(",")); }
    else if (value.reader !== null) parts.set("reader", String(value.reader + 1));
    for (const did of SAID) {
      const items = (value.feedback || []).filter((each) => each.do === did).map((each) => each.item);
      if (items.length) parts.set(did, items.join(","));
    }
    if (value.k !== 5) parts.set("k", String(value.k));
    if (value.seed !== 0) parts.set("seed", String(value.seed));
    if (id) parts.set("run", id);
    const words = parts.toString().replaceAll("%2C", ",");
    return `${location.pathname}${words ? `?${words}` : ""}`;
  }

  /* What the address asks for; a part that is no whole number is left out. */
  function addressed() {
    const parts = new URLSearchParams(location.search);
    const whole = (text) => (/^\d{1,10}$/.test(text || "") ? Number(text) : null);
    const listed = (name) => (parts.get(name) || "").split(",").map(whole).filter((row) => row !== null);
    const reader = whole(parts.get("reader"));
    return {
      mode: parts.has("shelf") ? "shelf" : "reader", reader: reader ? reader - 1 : null, shelf: listed("shelf"),
      feedback: SAID.flatMap((did) => listed(did).map((item) => ({ do: did, item }))),
      k: whole(parts.get("k")) ?? 5, seed: whole(parts.get("seed")) ?? 0,
      run: /^[0-9a-f]{32}$/.test(parts.get("run") || "") ? parts.get("run") : "",
    };
  }

  function changed(value, words) {
    picked = { value, words };
    if (!value.typed) history.replaceState(null, "", address(value, run));
    mark();
  }

  /* An answer is drawn, or begins: `asked` is its question, and `id` is empty while it is written. */
  function drawn(asked, id) {
    shown = asked || null;
    if (id && asked) {
      const next = address(picked && !picked.value.typed ? picked.value : asked, id);
      if (run && id !== run) { // going back leads to the answer before, with its own question
        if (owner) history.replaceState(null, "", address(owner, run));
        history.pushState(null, "", next);
      } else history.replaceState(null, "", next);
      run = id;
      owner = asked;
      STAR.mine.add(id);
      if (bare && adopt) {
        bare = false;
        adopt(asked).then(mark);
        return;
      }
    }
    mark();
  }
  window.addEventListener("popstate", () => { run = addressed().run; owner = null; });

  /* Where to look after a press: on a narrow page the answer is below, and the focus goes with the eye. */
  const stacked = () => window.matchMedia("(max-width: 860px)").matches;

  function look() {
    const answer = find(".star-statusline");
    if (!answer || !stacked()) return;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    answer.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    const status = find("#status .star-live");
    status.tabIndex = -1;
    status.focus({ preventScroll: true });
  }

  /* The status line, said by the browser itself; Python's next line replaces it. */
  function say(words, kind, button = "", where = "#status") {
    const line = find(`${where} .star-live > div`);
    if (!line || !line.firstElementChild) return;
    line.firstElementChild.className = `star-status ${kind}`;
    const said = line.firstElementChild.lastElementChild;
    said.textContent = words;
    if (button) {
      const go = document.createElement("button");
      go.type = "button";
      go.className = "star-link";
      go.dataset.goOn = "";
      go.textContent = button;
      said.append(" ", go);
    }
    line.starHtml = null;
  }

  const busy = () => Boolean(find("#status .star-status.busy"));

  /* Says these words if nothing was said half a second later. `where`: a status line, if it is not this tab's. */
  function meanwhile(words, kind, where = "#status") {
    const line = find(`${where} .star-live > div`);
    const before = line && line.starDrawn; // not its words: after a quick answer they may be those of the one before
    setTimeout(() => {
      if (line && line.isConnected && line.starDrawn === before) say(words, kind, "", where);
    }, 500);
  }

  /* Without a word after the press, other visitors are being answered first. */
  function waiting() {
    meanwhile("Waiting for a free place; others are being answered…", "busy");
    listen();
  }

  /* A server that is lost */
  async function there() {
    const sheet = find('link[href*="star-assets/star.css"]');
    try {
      await fetch(sheet ? sheet.href : location.href, { cache: "no-store", signal: AbortSignal.timeout(4 * BEAT) });
      return true;
    } catch { return false; }
  }

  function listen() {
    clearTimeout(beat);
    const began = Date.now();
    const again = async () => {
      if (!busy() && Date.now() - began > 2 * BEAT) return;
      if (await there() || await there()) { beat = setTimeout(again, BEAT); return; }
      document.body.classList.add("star-lost");
      say("The server does not answer. What you picked and what was written stay here.", "error", "Go on");
    };
    beat = setTimeout(again, BEAT);
  }

  async function goOn(button) {
    button.disabled = true;
    if (!await there()) {
      say("The server still does not answer. Try again in a moment.", "error", "Go on");
      find("[data-go-on]").focus();
      return;
    }
    try { sessionStorage.setItem(RESUME, "1"); } catch { /* private window: the visitor presses Recommend */ }
    location.reload();
  }

  function resuming() {
    try {
      const set = sessionStorage.getItem(RESUME) === "1";
      sessionStorage.removeItem(RESUME);
      return set;
    } catch { return false; }
  }

  function pressed(event) {
    const wrong = find('#picker [data-number][aria-invalid="true"]');
    if (wrong) { // a number that cannot be used changes nothing else
      event.stopImmediatePropagation();
      event.preventDefault();
      const folded = wrong.closest("details");
      if (folded) folded.open = true;
      wrong.focus();
      return;
    }
    if (busy()) return;
    waiting();
    look();
  }

  /* A card asks why the first is first and not its own item, or, on the first card, not the second. The form of questions
     is there once its tab has been opened. */
  function question(item) {
    asks = item;
    find("#question-tab-button").click();
    window.scrollTo({ top: 0 });
    const take = (left) => {
      const button = find("#take-last"), form = find("#question-form .star-question");
      if (button && form && STAR.question) button.click();
      else if (left) setTimeout(() => take(left - 1), 50);
    };
    take(200);
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const card = event.target.closest("#cards [data-why-not]");
    if (card) question(Number(card.dataset.whyNot));
    if (event.target.closest("#recommend")) pressed(event);
    const example = event.target.closest("[data-start]");
    if (example) STAR.explore.open(JSON.parse(example.dataset.start), example.firstElementChild.textContent);
    const said = event.target.closest("#cards [data-feedback]");
    if (said && tell) tell(said.dataset.feedback, Number(said.dataset.of), said.closest(".star-card").querySelector("h3").textContent);
    const on = event.target.closest("[data-go-on]");
    if (on) goOn(on);
    const stop = event.target.closest("#stop");
    if (stop && document.body.classList.contains("star-lost")) {
      stop.hidden = true;
      say("Stopped. What was written so far stays below.", "idle", "Go on");
    }
  }, true);

  return {
    changed, drawn, addressed, resuming, meanwhile,
    asking: () => asks !== null,
    wanted: () => { const item = asks; asks = null; return item; },
    run: () => run,
    /* An answer is looked up: at once, unless the model is still loading. */
    seeks: () => meanwhile("Looking for this answer. While the model is loading, this waits for it.", "idle"),
    begins: (start, take) => { begin = start; adopt = take; },
    /* Picks what is wanted, brings its answer, and leads there. `name`: how it is called. */
    open: (wanted, name) => { if (begin) begin(wanted, name).then(look); },
    tells: (note) => { tell = note; },
  };
})();
