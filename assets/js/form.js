/* The rating form: ratings of the rubric's criteria, or the choice between two traces. Every change can be undone. */
"use strict";

/* `changed()` is called after every edit; `sides()` returns the sides shown, for flags. */
STAR.form = (box, { changed, sides, buttons }) => {
  const { make, bdi, isolated, dialog } = STAR.desk;
  const empty = () => ({ ratings: {}, choice: null, note: "", reason: "", flags: [], seconds: 0 });
  const CHOICES = [["left", "Left is better", "1"], ["tie", "No difference", "2"], ["right", "Right is better", "3"]];
  let answer = empty(), rubric = null, kind = "single", editable = true;
  let past = [], lastText = { field: null, at: 0 };
  let current = 0;
  const rows = [];

  const copy = () => JSON.parse(JSON.stringify(answer));

  function change(edit, field = null) {
    if (!editable) return;
    // Typing in one field counts as one change, until a pause of two seconds.
    const now = performance.now();
    const goesOn = field !== null && lastText.field === field && now - lastText.at < 2000;
    if (!goesOn) past.push(copy());
    lastText = { field, at: now };
    edit();
    paint();
    changed();
  }

  function undo() {
    const before = past.pop();
    if (!before) return false;
    answer = { ...before, seconds: answer.seconds };
    lastText = { field: null, at: 0 };
    paint();
    changed();
    return true;
  }

  const groups = () => (kind === "pair" ? 1 : rubric.criteria.length);

  function go(place, focus = true, options = {}) {
    current = Math.max(0, Math.min(groups() - 1, place));
    rows.forEach(({ row }, i) => row.classList.toggle("current", i === current));
    if (focus && rows[current]) (rows[current].buttons.find((b) => b.tabIndex === 0) || rows[current].buttons[0]).focus(options);
  }

  /* Key 0 to 5 rates; for pairs 1 is left, 2 no difference, 3 right. Returns false for a key without meaning here. */
  function key(number) {
    if (!editable) return false;
    if (kind === "pair") {
      if (number < 1 || number > 3) return false;
      change(() => { answer.choice = CHOICES[number - 1][0]; });
    } else {
      change(() => { answer.ratings[rubric.criteria[current].key] = number === 0 ? rubric.cannot_judge : number; });
    }
    go(current);
    return true;
  }

  function missing() {
    if (kind === "pair") return answer.choice === null ? ["a choice"] : [];
    return rubric.criteria.filter((c) => !(c.key in answer.ratings)).map((c) => c.label);
  }

  function toMissing() {
    if (kind === "pair") return go(0);
    go(rubric.criteria.findIndex((c) => !(c.key in answer.ratings)));
  }

  function radios(name, options, chosen, pick) {
    const list = options.map(([value, words, label, title]) => make("button.star-radio", {
      type: "button", role: "radio", title, "aria-label": label, "aria-checked": "false", tabIndex: -1, disabled: !editable,
      onclick: () => pick(value) }, words));
    list.forEach((button, i) => button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = list[(i + step + list.length) % list.length];
      next.click();
      next.focus();
    }));
    return { list, paint: () => {
      const at = options.findIndex(([value]) => value === chosen());
      list.forEach((button, i) => {
        button.setAttribute("aria-checked", String(i === at));
        button.tabIndex = i === Math.max(0, at) ? 0 : -1;
      });
    } };
  }

  function criterion(asked, place) {
    const name = `star-criterion-${place}-${Math.random().toString(36).slice(2)}`;
    const options = [1, 2, 3, 4, 5].map((n) => [n, String(n), n === 1 ? `1, ${asked.low}` : n === 5 ? `5, ${asked.high}` : String(n),
      n === 1 ? asked.low : n === 5 ? asked.high : null]);
    options.push([rubric.cannot_judge, "?", "0, cannot judge", "Cannot judge (0)"]);
    const made = radios(name, options, () => answer.ratings[asked.key], (value) => {
      change(() => { answer.ratings[asked.key] = value; });
      go(place, false);
    });
    const row = make("div.star-criterion", { role: "radiogroup", "aria-labelledby": name },
      make("p.star-asked", { id: name }, make("b", {}, bdi(asked.label)), " ", make("span", {}, bdi(asked.question))),
      make("div.star-scale", {}, made.list),
      make("p.star-anchors", {}, make("span", {}, "1 ", bdi(asked.low)), make("span", {}, "5 ", bdi(asked.high))));
    row.addEventListener("focusin", () => go(place, false));
    row.addEventListener("click", () => go(place, false));
    rows.push({ row, buttons: made.list, paint: made.paint });
    return row;
  }

  function choice() {
    const made = radios("choice", CHOICES.map(([value, words, n]) => [value, words, words, `Key ${n}`]), () => answer.choice,
      (value) => change(() => { answer.choice = value; }));
    const row = make("div.star-criterion.pair", { role: "radiogroup", "aria-label": rubric.pair_question },
      make("p.star-asked", {}, make("b", {}, bdi(rubric.pair_question))), make("div.star-scale", {}, made.list));
    rows.push({ row, buttons: made.list, paint: made.paint });
    return row;
  }

  function text(field, label, hint, limit) {
    const area = make("textarea", { rows: 2, maxLength: limit, placeholder: hint, disabled: !editable, "data-field": field });
    area.addEventListener("input", () => change(() => {
      answer[field] = area.value.toWellFormed ? area.value.toWellFormed() : area.value;
    }, field));
    const paintText = () => { if (area.value !== answer[field]) area.value = answer[field]; };
    rows.push({ row: make("i"), buttons: [area], paint: paintText, extra: true });
    return make("label.star-text", {}, make("span", {}, label), area);
  }

  const flagBox = make("div.star-flags");

  /* A flag in words, as "Evidence, step 3: “99 of 201”". */
  function pointed(flag) {
    const side = sides().find((s) => s.name === (flag.side || null));
    const step = side && side.steps()[flag.step];
    const where = `${flag.side ? `${flag.side}, ` : ""}step ${flag.step + 1}${step ? `, ${step.name}` : ""}`;
    return flag.text ? `${where}: “${isolated(flag.text)}”` : where;
  }

  function paint() {
    rows.forEach((row) => row.paint());
    flagBox.replaceChildren(...answer.flags.map((flag, i) => make("div.star-flagged", {},
      make("p", {}, make("b", {}, pointed(flag)), " ", bdi(flag.reason)),
      editable && make("span", {},
        make("button.star-link", { type: "button", onclick: () => edit(flag, i) }, "Change"), " ",
        make("button.star-link", { type: "button", onclick: () => change(() => answer.flags.splice(i, 1)) }, "Remove")))));
    const all = sides().flatMap((side) => side.mark(answer.flags.filter((f) => (f.side || null) === side.name)));
    if (window.CSS && CSS.highlights && window.Highlight) CSS.highlights.set("star-flag", new Highlight(...all));
  }

  /* Ask for place and reason of a flag. `at`: the place that is selected already, or null. */
  async function edit(at, place = null) {
    if (!editable || !sides().some((side) => side.steps().length)) return; // a trace without steps cannot be flagged
    const made = await dialog(place === null ? "Flag a step or words of it" : "Change the flag", (body, done) => flagForm(body, done, at));
    if (made) change(() => { if (place === null) answer.flags.push(made); else answer.flags[place] = made; });
  }

  function flagForm(body, done, at) {
    const all = sides();
    const given = at || { side: all[0].name, step: 0, claim: null, start: null, end: null, reason: "" };
    const where = make("select", { "aria-label": "Step" }, all.flatMap((side, s) => side.steps().map((step, n) => make("option", {
      value: `${s} ${n}`, selected: (given.side || null) === side.name && given.step === n },
    `${side.name ? `${side.name}, ` : ""}${n + 1}. ${step.name}`))));
    const part = make("select", { "aria-label": "Part of the step" });
    const words = make("textarea", { readOnly: true, rows: 4, "aria-label": "Select the words that you mean" });
    const reason = make("textarea", { rows: 2, maxLength: 2000, value: given.reason || "", "data-first": true, "aria-label": "Reason" });
    const line = make("p.star-status", { role: "alert" });
    const chosen = () => { const [s, n] = where.value.split(" ").map(Number); return [all[s], n]; };
    const fillParts = (claim) => {
      const [side, n] = chosen();
      part.replaceChildren(make("option", { value: "step" }, "Its text"),
        ...side.steps()[n].claims.map((c, i) => make("option", { value: String(c), selected: c === claim }, `Statement ${i + 1}: ${isolated(side.claims()[c])}`)));
    };
    const fillWords = (start, end) => {
      const [side, n] = chosen();
      words.value = part.value === "step" ? side.steps()[n].text : side.claims()[Number(part.value)];
      const unit = (points) => [...words.value].slice(0, points).join("").length;
      words.setSelectionRange(start === null ? 0 : unit(start), start === null ? 0 : unit(end));
    };
    fillParts(given.claim);
    fillWords(given.start ?? null, given.end ?? null);
    where.addEventListener("change", () => { fillParts(null); fillWords(null, null); });
    part.addEventListener("change", () => fillWords(null, null));
    const finish = (event) => {
      event.preventDefault();
      if (!reason.value.trim()) { STAR.desk.say(line, "Say in a few words why.", "error"); reason.focus(); return; }
      const [side, n] = chosen();
      const [from, to] = [words.selectionStart, words.selectionEnd];
      const points = (units) => [...words.value.slice(0, units)].length;
      const span = from < to ? { start: points(from), end: points(to) } : { start: null, end: null };
      const claim = part.value === "step" ? null : Number(part.value);
      const shown = from < to ? words.value.slice(from, to) : claim === null ? "" : words.value;
      done({ step: n, reason: reason.value, side: side.name, ...span, claim, text: shown });
    };
    reason.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey) finish(event); });
    body.append(make("form.star-flag-form", { onsubmit: finish },
      make("label", {}, "Step", where), make("label", {}, "Part", part),
      make("label", {}, "Words (select some, or leave it at the whole)", words),
      make("label", {}, "Reason", reason), line,
      make("div.star-buttons", {}, make("button.star-button.primary", { type: "submit" }, "Flag"),
        make("button.star-button", { type: "button", onclick: () => done(null) }, "Cancel"))));
  }

  /* Fill the form for a record, with its current answer. */
  function load(record, stored) {
    ({ rubric, kind, editable } = record);
    answer = { ...empty(), ...(stored || {}) };
    past = [];
    rows.length = 0;
    const asked = kind === "pair" ? [choice(), text("reason", "Why?", "What tipped the balance", 2000)]
      : rubric.criteria.map((c, i) => criterion(c, i));
    const scroll = make("div.star-form-scroll", {}, asked, text("note", "Note", "Anything else", 10000),
      make("div.star-flag-head", {}, make("span", {}, "Flags"),
        editable && make("button.star-link", { type: "button", onclick: () => edit(null) }, "Flag a step or words (F)")), flagBox);
    box.replaceChildren(scroll, make("div.star-form-foot", {}, buttons(record)));
    current = Math.max(0, kind === "pair" ? 0 : rubric.criteria.findIndex((c) => !(c.key in answer.ratings)));
    paint();
    go(current, false);
    fit();
  }

  /* On wide screens the form fills the window below its top edge, so that its buttons stay visible. */
  function fit() {
    if (!box.isConnected) { removeEventListener("scroll", fit); removeEventListener("resize", fit); return; }
    const beside = getComputedStyle(box).position === "sticky";
    box.style.maxHeight = beside ? `${Math.max(320, innerHeight - Math.max(10, box.getBoundingClientRect().top) - 10)}px` : "";
  }
  addEventListener("scroll", fit, { passive: true });
  addEventListener("resize", fit, { passive: true });

  return {
    load, key, undo, go, missing, toMissing, edit, paint,
    move: (by) => go(current + by), at: () => current, focus: (options) => go(current, true, options),
    setReason: (why) => { answer.reason = why; },
    answer: () => copy(), spent: (seconds) => { answer.seconds += seconds; },
  };
};
