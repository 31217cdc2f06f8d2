/* The Lead tab: make and watch campaigns, decide conflicts, export ratings, edit the rubric, withdraw people. */
"use strict";

STAR.lead = (root) => {
  const { make, bdi, isolated, call, away, patiently, dialog, say, lasted, uuid } = STAR.desk;
  const find = (selector) => root.querySelector(selector);
  const desk = find("[data-desk]");
  const PACE = 4000, SLOWEST = 30000;
  let me = null, all = null, chosen = null, drawnAt = "", timer = 0, pace = PACE, opened = null, began = 0;

  const visible = () => root.isConnected && root.offsetParent !== null;
  const isLead = () => me && me.person && me.person.role === "lead";
  const panel = (title, ...inside) => make("section.star-panel", {}, make("h2", {}, title), ...inside);
  const line = make("p.star-status", { role: "status" });
  const box = { campaigns: make("div"), fresh: make("div"), state: make("div"), figures: make("div.star-figures"), out: make("div.star-buttons"), visitors: make("div"),
    conflicts: make("div"), one: make("div"), rubric: make("div"), people: make("div") };

  async function tried(work) {
    try { return await work(); } catch (error) {
      say(line, error.message, "error");
      if (error.status === 401) start();
      return null;
    }
  }

  /* The tab's frame */

  function lay() {
    const who = make("div.star-bar", {}, make("div", { "data-who": "" }, bdi(me.person.name), ` (${me.person.role}) `,
      make("button.star-link", { type: "button", onclick: () => tried(async () => {
        STAR.desk.person(await call("star-door/sign-out", {}));
        if (me.auth) location.href = "star-door/login";
      }) }, me.auth ? "Sign out" : "Change")), box.campaigns);
    desk.replaceChildren(who, line, ...(isLead() ? [box.fresh] : []), box.one,
      make("div.star-lead-grid", { "data-grid": "" },
        ...(isLead() ? [panel("Progress", box.state)] : []),
        panel("Conflicts", box.conflicts),
        ...(isLead() ? [make("section.star-panel.wide", {}, make("h2", {}, "Agreement and quality"), box.figures),
          panel("Take ratings out", box.out), panel("Votes and feedback of visitors", box.visitors), panel("People", box.people),
          make("section.star-panel.wide", {}, make("h2", {}, "Rubric"), box.rubric)] : [])));
  }

  /* Campaigns */

  function pick() {
    const select = make("select", { "aria-label": "Campaign" }, all.campaigns.map((c) => make("option", { value: String(c.id), selected: c.id === chosen }, c.name)));
    select.addEventListener("change", () => { chosen = Number(select.value); drawnAt = ""; refresh(); });
    box.campaigns.replaceChildren(...[all.campaigns.length > 0 && select,
      isLead() && make("button.star-button", { type: "button", onclick: order }, "New campaign")].filter(Boolean));
  }

  function field(label, input, hint) {
    return make("label", {}, label, input, hint && make("small", {}, hint));
  }

  async function order() {
    all = await tried(() => call("star-lead/overview")) || all; // the model may be loaded by now
    const text = (value, more = {}) => make("input", { type: "text", value, autocomplete: "off", ...more });
    const count = (value, min, max, step = 1) => make("input", { type: "number", value: String(value), min: String(min), max: String(max), step: String(step) });
    const name = text("", { maxLength: 80, required: true });
    const kind = make("select", {}, make("option", { value: "single" }, "single: one trace, rated by criterion"), make("option", { value: "pair" }, "pair: two traces, blinded, which is better"));
    const system = (value) => { const input = text(value, { required: true }); input.setAttribute("list", "star-systems"); return input; };
    const one = system("star"), two = system("mars");
    const known = make("datalist", { id: "star-systems" }, [...all.systems, "star@1", "star@2"].map((value) => make("option", { value })));
    const second = field("Right or second system", two, "empty: one system only");
    two.required = false;
    const records = count(50, 1, 5000), overlap = count(3, 1, 50), gold = count(0, 0, 0.5, 0.01), threshold = count(2, 0, 4, 0.5), seed = count(0, 0, 2147483647);
    two.value = "";
    kind.addEventListener("change", () => { two.value = kind.value === "pair" ? two.value || "mars" : two.value; });
    const scenarios = all.scenarios.map((value, i) => make("label.star-check", {}, make("input", { type: "checkbox", value, checked: i === 0 }), value));
    const levels = Object.entries(all.mix).map(([level, share]) => [level, count(share, 0, 1, 0.05)]);
    const rubric = make("select", {}, (all.rubrics.length ? all.rubrics : [{ id: "", label: "the one that ships" }]).map((r) => make("option", { value: String(r.id) }, r.label)));
    const send = (event) => {
      event.preventDefault();
      const number = (input) => Number(input.value);
      tried(async () => {
        await call("star-lead/campaign", {
          name: name.value, kind: kind.value, systems: [one.value, two.value].map((s) => s.trim()).filter(Boolean), records: number(records), overlap: number(overlap),
          gold_share: number(gold), threshold: number(threshold), seed: number(seed), rubric: rubric.value ? Number(rubric.value) : null,
          scenarios: scenarios.map((label) => label.querySelector("input")).filter((input) => input.checked).map((input) => input.value),
          mix: Object.fromEntries(levels.map(([level, input]) => [level, number(input)])),
        });
        box.fresh.replaceChildren();
        watch();
      });
    };
    box.fresh.replaceChildren(make("form.star-order", { onsubmit: send }, make("h2", {}, `New campaign on ${all.dataset || "…"}`),
      make("div.star-fields", {},
        field("Name", name), field("Kind", kind), field("System", one, "star or mars; a seed as star@7; another checkpoint as star=FOLDER"), second, known,
        field("Records", records), field("Ratings per record", overlap),
        field("Share of gold items", gold, "items with a known answer among those an annotator gets"),
        field("Threshold", threshold, "points apart beyond which a record is adjudicated"),
        field("Rubric", rubric), field("Seed", seed, `of ${root.dataset.users}, order and sides`)),
      make("fieldset", {}, make("legend", {}, "Scenarios"), scenarios),
      make("fieldset", {}, make("legend", {}, `Difficulty: shares of ${root.dataset.users}`), levels.map(([level, input]) => make("label.star-check", {}, level, input))),
      make("div.star-buttons", {}, make("button.star-button.primary", { type: "submit" }, "Create"),
        make("button.star-button", { type: "button", onclick: () => box.fresh.replaceChildren() }, "Cancel"))));
    name.focus();
  }

  /* Show the progress of a campaign that is being made. */
  async function watch() {
    const state = await tried(() => patiently(() => call("star-lead/job"), again, () => root.isConnected));
    if (!state || !root.isConnected) return;
    if (state.running) {
      say(line, `Making ${isolated(state.name)}: ${state.done} of ${state.total} records. You may go on meanwhile.`, "busy");
      setTimeout(watch, 1000);
      return;
    }
    if (state.problem) say(line, `${isolated(state.name)} was not made: ${state.problem}`, "error");
    else if (state.campaign !== null) {
      say(line, `${isolated(state.name)} is ready to be rated.`, "done");
      chosen = state.campaign;
      await load();
      document.dispatchEvent(new CustomEvent("star-campaigns"));
    }
  }

  /* One campaign */

  const row = (...cells) => make("tr", {}, cells.map((cell) => make("td", {}, cell)));
  const table = (heads, rows) => make("div.star-figure", {}, make("table", {}, make("thead", {}, make("tr", {}, heads.map((h) => make("th", { scope: "col" }, h)))), make("tbody", {}, rows)));

  function showState(s) {
    const plan = all.campaigns.find((c) => c.id === chosen);
    const meter = make("i.star-meter", {}, make("i", { style: `width:${s.wanted ? (100 * s.done) / s.wanted : 0}%` }));
    box.state.replaceChildren(
      make("p", {}, make("b", {}, `${s.done} of ${s.wanted}`), " ratings ", meter),
      make("p", {}, `${s.complete} of ${s.records} records are complete, ${s.leased} are being rated now, ${s.hidden} gold items, ${s.conflicts} conflicts wait, ${s.decided} are decided.`),
      make("p.star-hint", {}, `${plan.kind}, ${plan.systems.map((x) => isolated(x.name)).join(" and ")} on ${isolated(plan.dataset)}, ${plan.overlap} ratings each, rubric ${isolated(plan.rubric)}, threshold ${plan.threshold}`),
      table(["Annotator", "Submitted", "Skipped", "Time each"], s.people.map((w) => row(bdi(w.person.name), String(w.submitted), String(w.skipped), lasted(w.seconds)))));
  }

  /* Elements that stay the same are left in place: the click or the focus of a moment ago is on them. */
  function changed(where, content) {
    const now = JSON.stringify([chosen, content]);
    if (where.dataset.shown === now) return false;
    where.dataset.shown = now;
    return true;
  }

  function showOut() {
    if (!changed(box.out, null)) return;
    const link = (format, words) => make("a.star-button", { href: `star-lead/export/${chosen}/${format}`, download: "" }, words);
    box.out.replaceChildren(link("jsonl", "JSONL"), link("csv", "CSV"), link("parquet", "Parquet"), link("trl", "TRL: DPO and KTO"),
      make("a.star-button", { href: `star-lead/agreement/${chosen}`, download: `star-agreement-${chosen}.json` }, "Agreement, JSON"));
  }

  /* Votes of the tab Question, and feedback on cards that visitors agreed to have kept. Both belong to no campaign. */
  function showVisitors() {
    const kinds = [
      ["votes", all.votes, "Nobody has voted yet on Question, Teacher and student.", "TRL: DPO and KTO"],
      ["feedback", all.feedback, "Nobody has agreed yet to have feedback kept.", "TRL: KTO"],
    ];
    box.visitors.replaceChildren(...kinds.flatMap(([kind, count, none, trl]) => {
      if (!count) return [make("p", {}, none)];
      const link = ([format, words]) => make("a.star-button", {
        href: `star-lead/${kind}/${format}`, download: "", "aria-label": `${words}, ${kind}` }, words);
      return [make("p", {}, `${count} ${kind === "votes" ? "votes" : "pieces of feedback"} on ${isolated(all.dataset)}`),
        make("div.star-buttons", {}, ...[["jsonl", "JSONL"], ["csv", "CSV"], ["parquet", "Parquet"], ["trl", trl]].map(link))];
    }));
  }

  const again = (error) => say(line, `${error.message} Trying again…`, "error");

  /* Refresh every four seconds; less often while the server or its database is away. */
  async function refresh() {
    clearTimeout(timer);
    await tried(async () => {
      try { await draw(); } catch (error) {
        if (!away(error)) throw error;
        pace = Math.min(2 * pace, SLOWEST);
        drawnAt = "";
        again(error);
      }
    });
    clearTimeout(timer);
    timer = setTimeout(() => { if (root.isConnected && me && me.person) refresh(); }, pace);
  }

  async function draw() {
    if (!visible() && drawnAt) return;
    if (chosen === null || opened) return;
    const list = (await call(`star-adjudicate/conflicts/${chosen}`)).conflicts;
    if (changed(box.conflicts, list)) box.conflicts.replaceChildren(list.length ? make("ol.star-recent", {}, list.map((c) => make("li", {}, make("button.star-button", { type: "button", onclick: () => open(c.record) },
      make("b", {}, `Record ${c.record}`), ` ${c.disagreement} points apart`)))) : make("p.star-hint", {}, "No record is waiting for a decision. A record comes here when it has all its ratings and they are further apart than the threshold; not one that you rated yourself."));
    if (pace > PACE) { pace = PACE; say(line, "", "idle"); }
    if (!isLead()) return;
    const state = await call(`star-lead/status/${chosen}`);
    showState(state);
    const mark = `${chosen} ${state.done} ${state.decided} ${state.people.map((w) => `${w.person.id}:${w.submitted}`).join()}`;
    if (mark === drawnAt) return;
    drawnAt = mark;
    showOut();
    all = await call("star-lead/overview");
    people();
    STAR.live(figures(), [{ key: "figures", html: (await call(`star-lead/figures/${chosen}`)).html }]);
  }

  function figures() {
    if (!box.figures.querySelector(".star-live")) box.figures.append(make("div.star-live"));
    return box.figures;
  }

  /* Conflicts */

  async function open(record) {
    const found = await tried(() => call(`star-adjudicate/case/${record}`));
    if (!found) return;
    const names = found.kind === "pair" ? ["left", "right"] : [null];
    const sides = names.map((name) => STAR.side(find("[data-side]"), name));
    const id = uuid();
    const formBox = make("form.star-form", { "aria-label": "Decision", onsubmit: (event) => event.preventDefault() });
    const said = make("p.star-status", { role: "alert" });
    const decide = async () => {
      const missing = form.missing();
      const answer = form.answer();
      if (missing.length) { say(said, `Not yet decided: ${missing.join(", ")}.`, "error"); form.toMissing(); return; }
      if (!(answer.note.trim() || answer.reason.trim())) { say(said, "A decision needs a reason; write it into the note.", "error"); return; }
      try {
        const told = (error) => say(said, `Not saved: ${error.message} Trying again…`, "error");
        const send = () => call("star-adjudicate/decide", { record, after: found.decisions, uuid: id, answer });
        if (await patiently(send, told, () => said.isConnected) === undefined) return;
        close();
        say(line, `Record ${record} is decided.`, "done");
        refresh();
      } catch (error) { say(said, error.message, "error"); }
    };
    const close = () => { opened = null; box.one.replaceChildren(); find("[data-grid]").hidden = false; refresh(); };
    const form = STAR.form(formBox, { changed: () => {}, sides: () => sides, buttons: () => [
      make("button.star-button.primary", { type: "button", onclick: decide }, "Decide"), make("button.star-button", { type: "button", onclick: close }, "Back")] });
    opened = { form, decide };
    find("[data-grid]").hidden = true;
    const holder = make("div.star-sides", {}, sides.map((side) => side.root));
    holder.classList.toggle("pair", found.kind === "pair");
    box.one.replaceChildren(make("h2", {}, `Record ${record}: ${found.disagreement} points apart`), said,
      make("div.star-record", {}, make("div.star-shown", {}, answers(found), STAR.shelf(found.sides[0]), holder), formBox));
    sides.forEach((side, i) => side.show(found.sides[i], (step) => form.edit({ step, side: side.name, claim: null, start: null, end: null, reason: "" })));
    form.load({ rubric: found.rubric, kind: found.kind, editable: true }, null);
    form.focus({ preventScroll: true });
  }

  function answers(found) {
    const value = (given) => (given === undefined ? "—" : typeof given === "number" ? String(given) : "?");
    const asked = found.kind === "pair" ? [["Choice", (a) => a.choice]] : found.rubric.criteria.map((c) => [isolated(c.label), (a) => value(a.ratings[c.key])]);
    const words = [["Reason", (a) => a.reason], ["Note", (a) => a.note], ["Flags", (a) => a.flags.map((f) => `step ${f.step + 1}: ${f.text ? `“${f.text}” ` : ""}${f.reason}`).join("\n")], ["Time", (a) => lasted(a.seconds)]];
    return make("div.star-answers", {}, table(["", ...found.answers.map((a) => a.who)],
      [...asked, ...words.filter(([, get]) => found.answers.some(get))].map(([label, get]) => row(make("b", {}, label), ...found.answers.map((a) => bdi(get(a) || ""))))));
  }

  document.addEventListener("keydown", function onKey(event) {
    if (!root.isConnected) { document.removeEventListener("keydown", onKey); return; }
    if (!visible() || !opened || STAR.desk.open() || STAR.desk.writing(event.target) || event.ctrlKey || event.altKey || event.metaKey) return;
    const { form, decide } = opened;
    const target = event.target instanceof Element ? event.target : document.body;
    const ours = !target.closest("button:not([role=radio]), a, summary, [role=tab], tr[data-edge]");
    if (/^[0-5]$/.test(event.key)) { if (form.key(Number(event.key))) event.preventDefault(); }
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") { if (ours) { event.preventDefault(); form.move(event.key === "ArrowDown" ? 1 : -1); } }
    else if (event.key.toLowerCase() === "u") form.undo();
    else if (event.key.toLowerCase() === "r") { event.preventDefault(); find(".star-form textarea:enabled").focus(); }
    else if (event.key === "Enter" && ours && !event.repeat) { event.preventDefault(); decide(); }
  });

  /* Rubric and people */

  async function rubric() {
    const from = make("select", { "aria-label": "Version" }, [...all.rubrics, { id: 0, label: "the one that ships" }].map((r) => make("option", { value: String(r.id) }, r.label)));
    const area = make("textarea.star-code", { rows: 18, spellcheck: false, "aria-label": "Rubric as YAML" });
    const fill = () => tried(async () => { area.value = (await call(`star-lead/rubric/${from.value}`)).document; });
    from.addEventListener("change", fill);
    const said = make("p.star-status", { role: "alert" });
    const publish = async () => {
      try {
        const made = await call("star-lead/rubric", { document: area.value });
        say(said, `${made.label} is published. Campaigns made from now on may use it; those that run keep theirs.`, "done");
        all = await call("star-lead/overview");
        const keep = area.value;
        from.replaceChildren(...[...all.rubrics, { id: 0, label: "the one that ships" }].map((r) => make("option", { value: String(r.id), selected: r.id === made.id }, r.label)));
        area.value = keep;
      } catch (error) { say(said, error.message, "error"); }
    };
    box.rubric.replaceChildren(make("details", { ontoggle: (event) => { if (event.target.open && !area.value) fill(); } }, make("summary", {}, "See or change what is asked, guidelines and worked examples"),
      make("div.star-rubric", {}, make("label", {}, "Version", from), area, said, make("div.star-buttons", {}, make("button.star-button", { type: "button", onclick: publish }, "Publish as the next version")))));
  }

  function people() {
    const out = async (person) => {
      const sure = await dialog(`Withdraw ${isolated(person.name)}?`, (body, done) => body.append(
        make("p", {}, "All answers of this person leave statistics and exports for good, their places go back to the queues, their name is taken out. Events under the pseudonym stay. This cannot be undone."),
        make("div.star-buttons", {}, make("button.star-button", { type: "button", "data-first": true, onclick: () => done(null) }, "Keep"),
          make("button.star-button", { type: "button", onclick: () => done(true) }, "Withdraw for good"))));
      if (!sure) return;
      await tried(async () => {
        await call("star-lead/withdraw", { id: person.id });
        say(line, `${person.pseudonym} is withdrawn.`, "done");
        drawnAt = "";
        await load();
      });
    };
    box.people.replaceChildren(table(["Name", "Role", "Pseudonym in exports", ""], all.people.map((p) => row(bdi(p.name), p.role, p.pseudonym,
      make("button.star-link", { type: "button", onclick: () => out(p) }, "Withdraw")))));
  }

  async function load() {
    const mine = ++began;
    await tried(async () => {
      const path = isLead() ? "star-lead/overview" : "star-adjudicate/campaigns";
      const found = await patiently(() => call(path), again, () => mine === began && root.isConnected);
      if (!found) return;
      all = found;
      if (!all.campaigns.some((c) => c.id === chosen)) chosen = all.campaigns.length ? all.campaigns[0].id : null;
      pick();
      if (isLead()) { rubric(); people(); showVisitors(); if (all.job.running) watch(); }
      if (chosen === null) say(line, isLead() ? "There is no campaign yet. Press New campaign." : "There is no campaign yet.", "idle");
      drawnAt = "";
      await refresh();
    });
  }

  async function start(given) {
    const mine = ++began;
    try {
      if (!desk.contains(line)) find("[data-entrance]").replaceChildren(line); // otherwise the message is not visible
      const known = given || await patiently(() => call("star-door/me"), again, () => mine === began && root.isConnected);
      if (!known) return;
      me = known;
    } catch (error) { say(line, error.message, "error"); return; }
    const may = me.person && ["lead", "adjudicator"].includes(me.person.role);
    desk.hidden = !may;
    find("[data-entrance]").replaceChildren();
    opened = null;
    box.one.replaceChildren();
    if (!may) {
      STAR.desk.entrance(find("[data-entrance]"), { ...me, people: me.people.filter((name) => !me.person || name !== me.person.name) }, { role: "lead", title: "Lead a campaign", action: "Open as lead",
        words: me.auth ? "This tab is for leads and adjudicators." : "On this machine anybody may lead. Take a name that does not rate: a lead sees which system wrote what." });
      return;
    }
    lay();
    say(line, "", "idle");
    await load();
  }

  document.addEventListener("star-person", (event) => { if (root.isConnected) start(event.detail); });
  start();
};
