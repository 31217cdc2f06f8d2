/* The Annotate tab: one record at a time, by mouse or by keyboard alone. */
"use strict";

STAR.annotate = (root) => {
  const { make, bdi, isolated, call, patiently, dialog, say, lasted, time, uuid, writing } = STAR.desk;
  const find = (selector) => root.querySelector(selector);
  const RENEW_S = 300, AWAY_MS = 120000;
  let me = null, campaigns = [], campaign = null, progress = null;
  let record = null, sides = [], waitingUuid = uuid(), asked = 0;
  const said = find("[data-said]");

  const saver = STAR.saver({
    record: () => record,
    answer: () => form.answer(),
    say: (words, kind) => say(said, words, kind),
    overtaken: () => open(record.uuid),
    signedOut: () => setTimeout(start, 1500),
    refused: (to) => { if (to === "submitted") form.toMissing(); },
  });

  /* Count the seconds in which the page is visible and used. After five minutes without a save, a save renews the lease. */
  let used = performance.now(), unsavedSeconds = 0;
  for (const kind of ["pointermove", "keydown", "wheel", "pointerdown"]) {
    document.addEventListener(kind, () => { used = performance.now(); }, { passive: true });
  }
  const ticking = setInterval(() => {
    if (!root.isConnected) { clearInterval(ticking); return; }
    if (!record || !visible() || document.hidden || performance.now() - used > AWAY_MS) return;
    form.spent(1);
    unsavedSeconds += 1;
    if (unsavedSeconds >= RENEW_S && record.editable && record.state !== "submitted") { unsavedSeconds = 0; saver.edited(); }
  }, 1000);

  /* Showing and answering a record */

  const form = STAR.form(find("[data-form]"), { changed: saver.edited, sides: () => sides, buttons: () => record.editable ? [
    make("button.star-button.primary", { type: "button", onclick: submit, title: "Enter" }, record.state === "submitted" ? "Submit again" : "Submit"),
    make("button.star-button", { type: "button", onclick: skip, title: "S" }, "Skip"),
    make("button.star-button", { type: "button", onclick: undo, title: "U" }, "Undo"),
  ] : [make("p", {}, "This answer is no longer among your last ten; it can only be looked at.")] });
  find("[data-form]").addEventListener("submit", (event) => event.preventDefault());

  function show(next) {
    const drawn = record && record.record === next.record;
    record = next;
    unsavedSeconds = 0;
    const template = find("[data-side]");
    if (!drawn) {
      find("[data-record]").hidden = false;
      const names = record.kind === "pair" ? ["left", "right"] : [null];
      if (sides.length !== names.length) {
        sides = names.map((name) => STAR.side(template, name));
        find("[data-sides]").replaceChildren(...sides.map((side) => side.root));
      }
      find("[data-sides]").classList.toggle("pair", record.kind === "pair");
      sides.forEach((side, i) => side.show(record.sides[i], (step) => form.edit({ step, side: side.name, claim: null, start: null, end: null, reason: "" })));
      find("[data-shelf]").replaceChildren(STAR.shelf(record.sides[0]));
    }
    const newer = saver.opened();
    form.load(record, newer || record.answer);
    root.dataset.uuid = record.uuid;
    const back = record.state === "submitted" || record.state === "skipped";
    if (newer) saver.edited();
    else say(said, back ? `You look at an answer that is ${record.state}. Change it and submit again, or go on (N).`
      : record.revision > 0 ? "Your draft is back as it was saved." : "A new record. Press ? for the keys, G for the guidelines.", "idle");
    form.focus({ preventScroll: true });
  }

  /* Show an error where it is visible: before anybody has signed in, the status line is hidden. */
  function tell(words) {
    const early = find("[data-desk]").hidden;
    if (early && !find("[data-entrance] [data-early]")) find("[data-entrance]").replaceChildren(make("p.star-status", { role: "status", "data-early": true }));
    say(early ? find("[data-entrance] [data-early]") : said, words, "error");
  }

  /* Ask until an answer comes. Resolves with undefined if another request was made in the meantime. */
  function awaited(path, body) {
    const mine = ++asked;
    return patiently(() => call(path, body), (error) => tell(`${error.message} Trying again…`), () => mine === asked && root.isConnected);
  }

  async function open(id) {
    try {
      const found = await awaited(`star-annotate/record/${encodeURIComponent(id)}`);
      if (found) show(found);
    } catch (error) { trouble(error); }
  }

  async function next() {
    say(said, "Fetching the next record…", "busy");
    try {
      const given = await awaited("star-annotate/next", { campaign: campaign.id, uuid: waitingUuid });
      if (!given) return;
      progress = given.progress;
      bar();
      if (given.record) {
        if (given.record.uuid === waitingUuid) waitingUuid = uuid();
        show(given.record);
        find(".star-bar").scrollIntoView({ block: "nearest" });
        return;
      }
      record = null;
      find("[data-record]").hidden = true;
      say(said, "Nothing is left for you in this campaign now. Records that others do not finish come back; look again later.", "done");
    } catch (error) { trouble(error); }
  }

  function trouble(error) {
    tell(error.message);
    if (error.status === 401) setTimeout(start, 1000);
  }

  async function leave() {
    if (record) await saver.settled();
  }

  async function submit() {
    if (!record || !record.editable) return;
    const missing = form.missing();
    if (missing.length) {
      say(said, `Not yet rated: ${missing.join(", ")}.`, "error");
      form.toMissing();
      return;
    }
    const receipt = await saver.save("submitted");
    if (receipt && receipt.state === "submitted") { await next(); }
  }

  async function skip() {
    if (!record || !record.editable) return;
    const why = await dialog("Skip this record", (body, done) => {
      const reason = make("textarea", { rows: 2, maxLength: 2000, "data-first": true, "aria-label": "Why skip it?", value: form.answer().reason });
      const line = make("p.star-status", { role: "alert" });
      const finish = (event) => {
        event.preventDefault();
        if (reason.value.trim()) done(reason.value); else say(line, "Say in a few words why.", "error");
      };
      reason.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey) finish(event); });
      body.append(make("form", { onsubmit: finish }, make("label", {}, "Why skip it? It goes to somebody else.", reason), line,
        make("div.star-buttons", {}, make("button.star-button.primary", { type: "submit" }, "Skip"),
          make("button.star-button", { type: "button", onclick: () => done(null) }, "Cancel"))));
    });
    if (!why) return;
    await saver.settled();
    form.setReason(why);
    const receipt = await saver.save("skipped");
    if (receipt && receipt.state === "skipped") await next();
  }

  function undo() {
    if (!record) return;
    if (!form.undo()) say(said, "Nothing to undo on this record. L lists your last answers.", "idle");
  }

  async function recent() {
    if (!campaign) return;
    await leave();
    let rows;
    try { rows = (await call(`star-annotate/recent/${campaign.id}`)).recent; } catch (error) { trouble(error); return; }
    const chosen = await dialog("Your last answers", (body, done) => {
      if (!rows.length) body.append(make("p", {}, "None yet in this campaign."));
      body.append(make("ol.star-recent", {}, rows.map((row, i) => make("li", {}, make("button.star-button", {
        type: "button", "data-first": i === 0, onclick: () => done(row.uuid) },
      make("b", {}, time(row.at)), ` ${row.state}${row.changed ? ", changed since" : ""} · ${told(row.answer)}`)))));
    });
    if (chosen) await open(chosen);
  }

  const told = (answer) => (answer.choice ? answer.choice
    : Object.values(answer.ratings).map((value) => (typeof value === "number" ? value : "?")).join(" ") || "not rated");

  function guidelines() {
    if (!record) return;
    const { rubric } = record;
    const now = rubric.criteria[form.at()];
    dialog(rubric.title, (body) => {
      body.append(make("p", {}, rubric.introduction));
      if (record.kind === "pair") body.append(make("h4", {}, rubric.pair_question), make("p", {}, rubric.pair_guideline));
      for (const asked of rubric.criteria) {
        const part = make("section.star-guideline", { tabIndex: -1 },
          make("h4", {}, bdi(asked.label)), make("p", {}, make("i", {}, bdi(asked.question))), make("p", {}, bdi(asked.guideline)),
          asked.examples.map((example) => make("blockquote", {}, make("b", {}, String(example.score)), make("p", {}, example.text), make("p.star-why-score", {}, example.why))));
        if (asked === now && record.kind !== "pair") { part.classList.add("current"); part.dataset.first = "1"; }
        body.append(part);
      }
      body.append(make("p.star-hint", {}, `Rubric ${isolated(rubric.label)}`));
    }, { wide: true });
  }

  const KEYS = [
    ["1 – 5", "rate the criterion in focus; of a pair: 1 left, 2 no difference, 3 right"], ["0", "cannot judge"],
    ["↓ or Tab", "next criterion"], ["↑ or Shift+Tab", "the one before"], ["Enter", "submit and go on"],
    ["S", "skip, with a reason"], ["F", "flag a step, or the words that are selected"], ["U", "undo the last change"],
    ["L", "your last ten answers, to change one"], ["N", "on to the next record"], ["R", "write a note or a reason; Escape leaves it"],
    ["G", "guidelines with worked examples"], ["?", "this help"],
  ];

  function help() {
    dialog("Keys", (body) => body.append(make("dl.star-keys", {}, KEYS.map(([key, does]) => make("div", {}, make("dt", {}, key), make("dd", {}, does)))),
      make("p.star-hint", {}, "Keys rest while you write in a field.")));
  }

  function pointed() {
    const selection = document.getSelection();
    for (const side of sides) {
      const at = selection && !selection.isCollapsed ? side.locate(selection) : null;
      if (at) return { ...at, side: side.name, reason: "" };
    }
    return null;
  }

  /* Keyboard */

  const visible = () => root.isConnected && root.offsetParent !== null;
  const ACTIONS = { s: skip, f: () => form.edit(pointed()), u: undo, g: guidelines, "?": help, l: recent,
    n: async () => { if (campaign) { await leave(); await next(); } },
    r: () => { const field = find("[data-form] textarea:enabled"); if (field) field.focus(); } };

  function onKey(event) {
    if (!root.isConnected) { document.removeEventListener("keydown", onKey); return; }
    if (!visible() || STAR.desk.open() || find("[data-desk]").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (writing(target)) {
      if (event.key === "Escape" && root.contains(target)) form.focus();
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (ACTIONS[key] && !event.repeat) { event.preventDefault(); ACTIONS[key](); return; }
    if (!record) return;
    const ours = !target.closest("button:not([role=radio]), a, summary, [role=tab], tr[data-edge]");
    if (/^[0-5]$/.test(key)) { if (form.key(Number(key))) event.preventDefault(); }
    else if ((key === "ArrowDown" || key === "ArrowUp") && ours && (target === document.body || find("[data-form]").contains(target))) {
      event.preventDefault();
      form.move(key === "ArrowDown" ? 1 : -1);
    } else if (key === "Enter" && ours && !event.repeat) { event.preventDefault(); submit(); }
  }
  document.addEventListener("keydown", onKey);

  /* A button beside selected words, for flagging them by mouse. */
  const here = make("button.star-button.star-flag-here", { type: "button", hidden: true,
    onmousedown: (event) => event.preventDefault(), onclick: () => { here.hidden = true; form.edit(pointed()); } }, "Flag these words");
  root.append(here);
  document.addEventListener("selectionchange", () => {
    if (!root.isConnected || !record || !record.editable || !visible()) return;
    const at = pointed();
    here.hidden = !at || at.start === null;
    if (here.hidden) return;
    const box = document.getSelection().getRangeAt(0).getBoundingClientRect();
    const base = root.getBoundingClientRect();
    here.style.left = `${Math.min(box.left - base.left, base.width - 150)}px`;
    here.style.top = `${box.bottom - base.top + 4}px`;
  });

  /* The bar: person, campaign, progress */

  function bar() {
    find("[data-who]").replaceChildren(bdi(me.person.name), " ",
      make("button.star-link", { type: "button", onclick: async () => {
        await leave();
        try { STAR.desk.person(await call("star-door/sign-out", {})); } catch (error) { trouble(error); return; }
        if (me.auth) location.href = "star-door/login";
      } },
        me.auth ? "Sign out" : "Change"));
    const chosen = make("select", { "aria-label": "Campaign" }, campaigns.map((c) => make("option", { value: String(c.id), selected: campaign && c.id === campaign.id }, c.name)));
    chosen.addEventListener("change", async () => { await leave(); choose(Number(chosen.value)); });
    find("[data-campaign]").replaceChildren(campaigns.length ? chosen : "");
    if (progress) {
      find("[data-progress]").replaceChildren(
        make("span", {}, `You: ${progress.submitted} submitted${progress.skipped ? `, ${progress.skipped} skipped` : ""} · ${progress.last_hour} in the last hour · ${lasted(progress.seconds)} each`),
        make("span", {}, `Team: ${progress.team} ratings, about ${Math.round(100 * progress.share)} %`,
          make("i.star-meter", {}, make("i", { style: `width:${100 * progress.share}%` }))));
    }
    find("[data-tools]").replaceChildren(...[["Last answers", "L", recent], ["Guidelines", "G", guidelines], ["Keys", "?", help]]
      .map(([words, key, does]) => make("button.star-link", { type: "button", title: key, onclick: does }, words)));
  }

  async function choose(id) {
    campaign = campaigns.find((c) => c.id === id) || campaigns[0];
    STAR.kept.set("star-campaign", String(campaign.id));
    record = null;
    find("[data-record]").hidden = true;
    await next();
  }

  async function start(given) {
    try {
      const known = given || await awaited("star-door/me");
      if (!known) return;
      me = known;
      if (!me.person) {
        record = null;
        find("[data-desk]").hidden = true;
        STAR.desk.entrance(find("[data-entrance]"), me, { role: "annotator", title: "Who is rating?", action: "Start",
          words: "Your ratings are kept under this name. Others do not see them, and you do not see theirs." });
        return;
      }
      find("[data-entrance]").replaceChildren();
      find("[data-desk]").hidden = false;
      const list = await awaited("star-annotate/campaigns");
      if (!list) return;
      campaigns = list.campaigns;
      if (!campaigns.length) {
        progress = null;
        bar();
        say(said, "There is no campaign yet. A lead creates one on the Lead tab or with star annotations create.", "idle");
        return;
      }
      await choose(Number(STAR.kept.get("star-campaign")));
    } catch (error) { trouble(error); }
  }

  document.addEventListener("star-person", (event) => { if (root.isConnected) start(event.detail.person ? null : event.detail); });
  document.addEventListener("star-campaigns", () => { if (root.isConnected && me && me.person) start(); });
  start();
};
