/* One side of a record: cards, trace, graph and evidence of one run, drawn as on the Explore tab, with its flags.
   A flag points into a text by code points. The page shows the text in pieces, so each place is searched for in them. */
"use strict";

/* The shelf of a side, latest item first, under its heading. */
STAR.shelf = ({ heading, shelf }) => {
  const { make, bdi } = STAR.desk;
  const list = (some) => make("ol", {}, some.map((item) => make("li", {}, make("b", {}, bdi(item.title)), item.by ? [" ", bdi(item.by)] : null)));
  return make("div.star-shelf-row", {}, make("h2", {}, heading),
    list(shelf.slice(0, 10)), shelf.length > 10 && make("details", {}, make("summary", {}, `${shelf.length - 10} more`), list(shelf.slice(10))));
};

STAR.side = (template, name = null) => {
  const root = template.content.firstElementChild.cloneNode(true);
  const find = (selector) => root.querySelector(selector);
  const head = find("[data-side-name]");
  if (name) { head.textContent = name === "left" ? "Left" : "Right"; head.hidden = false; }
  let value = null;
  let draw = null;

  const length = (text) => [...text].length;
  const units = (text, points) => [...text].slice(0, points).join("").length;

  /* Elements that hold a piece of a step's text, each with its start in that text (UTF-16 units). */
  function pieces(step) {
    const block = blockOf(step);
    if (!block) return [];
    const own = value.steps[step].text;
    const found = [];
    for (const part of [block.querySelector(".star-raw"), block]) {
      if (!part) continue;
      let from = 0;
      for (const element of part.querySelectorAll("p, .star-ranking li")) {
        const raw = element.closest(".star-raw");
        if ((part === block) === Boolean(raw) || element.closest(".star-claim") || stepOf(element) !== step) continue;
        const at = own.indexOf(element.textContent, from);
        if (at < 0 || !element.textContent) continue;
        found.push({ element, at });
        from = at + element.textContent.length;
      }
    }
    return found;
  }

  function blockOf(step) {
    return find(`[data-trace] [data-key="step${step}"]`) || find(`[data-trace] [data-key="step${step - 1}"] .star-response`);
  }

  /* Number of the step that an element of the trace belongs to, or null. A tool's answer is the step after its call. */
  function stepOf(element) {
    const block = element.closest("[data-trace] .star-live > [data-key^=step]");
    if (!block || !root.contains(block)) return null;
    return Number(block.dataset.key.slice(4)) + (element.closest(".star-response") ? 1 : 0);
  }

  function within(element, node, offset) {
    const range = document.createRange();
    range.selectNodeContents(element);
    range.setEnd(node, offset);
    return range.toString().length;
  }

  /* The place of a text selection: {step, claim, start, end, text}, or only the step; null outside the trace. */
  function locate(selection) {
    if (!value || !selection || selection.rangeCount === 0) return null;
    const range = selection.getRangeAt(0);
    const begin = range.startContainer.nodeType === 1 ? range.startContainer : range.startContainer.parentElement;
    if (!begin || !find("[data-trace]").contains(begin)) return null;
    const step = stepOf(begin);
    if (step === null || step >= value.steps.length) return null;
    const whole = { step, claim: null, start: null, end: null, text: "" };
    if (range.collapsed) return whole;
    const row = begin.closest("[data-claim-row]");
    const words = row && row.querySelector("button > span:last-child");
    const piece = words && words.contains(begin) ? { element: words, at: 0 }
      : pieces(step).find(({ element }) => element.contains(begin));
    if (!piece) return row ? { ...whole, claim: Number(row.dataset.claimRow), text: words.textContent } : whole;
    const shown = piece.element.textContent;
    const from = within(piece.element, range.startContainer, range.startOffset);
    const to = piece.element.contains(range.endContainer) ? within(piece.element, range.endContainer, range.endOffset) : shown.length;
    const chosen = shown.slice(from, to);
    if (!chosen.trim()) return whole;
    const claim = piece.element === words ? Number(row.dataset.claimRow) : null;
    const text = claim === null ? value.steps[step].text : value.claims[claim];
    const start = length(text.slice(0, piece.at + from));
    return { step, claim, start, end: start + length(chosen), text: chosen };
  }

  /* The range of a flag's words on the page; null for a whole step and for words that are not shown. */
  function rangeOf(flag) {
    let element = null, at = 0;
    if (flag.claim !== null && flag.claim !== undefined) {
      element = find(`[data-trace] [data-claim-row="${flag.claim}"] > button > span:last-child`);
    } else if (flag.start !== null) {
      const from = units(value.steps[flag.step].text, flag.start);
      const piece = pieces(flag.step).find((p) => p.at <= from && from < p.at + p.element.textContent.length);
      if (piece) ({ element, at } = piece);
    }
    if (!element || !element.textContent) return null;
    const whole = flag.claim !== null && flag.claim !== undefined ? value.claims[flag.claim] : value.steps[flag.step].text;
    const range = document.createRange();
    const from = flag.start === null ? 0 : units(whole, flag.start) - at;
    const to = flag.start === null ? element.textContent.length : units(whole, flag.end) - at;
    range.setStart(...placed(element, from));
    range.setEnd(...placed(element, to));
    return range;
  }

  /* The text node and offset at a number of UTF-16 units in an element's text, in which titles are elements too. */
  function placed(element, units) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let node = walker.nextNode(), left = Math.max(0, units);
    for (let next = walker.nextNode(); next && left > node.length; next = walker.nextNode()) { left -= node.length; node = next; }
    return [node, Math.min(left, node.length)];
  }

  /* Mark flagged steps. Returns the ranges of flagged words, for the page's highlight. */
  function mark(flags) {
    for (const block of root.querySelectorAll("[data-trace] .star-live > [data-key]")) block.classList.remove("flagged");
    const ranges = [];
    for (const flag of flags) {
      const block = blockOf(flag.step);
      const outer = block && block.closest("[data-key^=step]");
      if (outer) outer.classList.add("flagged");
      const range = rangeOf(flag);
      if (range) ranges.push(range);
    }
    return ranges;
  }

  /* Show a side made by `record_view.side`. `flag`: called with the step's number by the button beside each step. */
  function show(next, flag) {
    value = next;
    draw = draw || STAR.graph(find("[data-graph]"), () => {});
    STAR.live(find(".star-side-cards"), [{ key: "cards", html: value.cards }]);
    STAR.live(find("[data-trace]"), value.trace);
    STAR.live(find(".star-evidence-panel"), value.evidence);
    STAR.live(find("[data-edges]"), value.edges);
    draw(value.graph);
    for (const button of root.querySelectorAll(".star-flag")) button.remove();
    for (const block of root.querySelectorAll("[data-trace] .star-live > [data-key^=step]")) {
      const step = Number(block.dataset.key.slice(4));
      block.append(STAR.desk.make("button.star-flag", {
        type: "button", title: "Flag this step", "aria-label": `Flag step ${step + 1}`, onclick: () => flag(step) }, "⚑"));
    }
  }

  return { root, name, show, locate, mark, rangeOf, steps: () => value.steps, claims: () => value.claims };
};
