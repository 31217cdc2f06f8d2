/* Blocks that update in place, and one selection shared by trace, cards, graph, table and evidence.
   HTML arrives here escaped by Python (star/ui/views/); this file never builds HTML from text. */
"use strict";

window.STAR = window.STAR || (() => {
  const scopes = new WeakMap();

  /* One selection for each `.star-scope`, so that two tabs do not affect each other. */
  class Scope {
    constructor(root) {
      this.root = root;
      this.model = { claims: [], about: {}, ends: [], words: [] };
      this.selection = null;
      this.listeners = [];
    }

    load(model) {
      this.model = model;
      this.select(null);
    }

    /* selection: null or {kind: "claim" | "edge" | "node", id}. Selecting the same again clears it. */
    select(selection, toggle = true) {
      const same = toggle && selection && this.selection
        && selection.kind === this.selection.kind && selection.id === this.selection.id
        && Boolean(selection.figure) === Boolean(this.selection.figure);
      this.selection = same ? null : selection;
      this.paint();
      this.listeners.forEach((listener) => listener(this.found(), this.selection));
    }

    /* What belongs to the selection: sets of claims (numbers), edges (numbers) and nodes (ids). */
    found() {
      const { claims, about, ends } = this.model;
      const found = { claims: new Set(), edges: new Set(), nodes: new Set() };
      if (!this.selection) return found;
      const { kind, id } = this.selection;
      const take = (edge) => {
        found.edges.add(edge);
        (ends[edge] || []).forEach((end) => found.nodes.add(end));
      };
      if (kind === "claim") {
        found.claims.add(id);
        ((claims[id] || {}).edges || []).forEach(take);
        ((claims[id] || {}).nodes || []).forEach((node) => found.nodes.add(node));
      } else if (kind === "edge") {
        take(id);
        claims.forEach((claim, index) => claim.edges.includes(id) && found.claims.add(index));
      } else {
        (about[id] || []).forEach((index) => found.claims.add(index));
        ends.forEach((pair, index) => pair.includes(id) && take(index));
        found.nodes.add(id);
      }
      return found;
    }

    paint() {
      const found = this.found();
      const chosen = this.selection;
      const is = (kind, id) => Boolean(chosen) && chosen.kind === kind && chosen.id === id;
      this.root.classList.toggle("has-selection", Boolean(chosen));
      for (const element of this.root.querySelectorAll("[data-claim]")) {
        const id = Number(element.dataset.claim);
        element.setAttribute("aria-pressed", String(is("claim", id)));
        element.parentElement.classList.toggle("on", found.claims.has(id));
        element.parentElement.classList.toggle("chosen", is("claim", id));
      }
      for (const row of this.root.querySelectorAll("[data-edge]")) {
        const id = Number(row.dataset.edge);
        row.classList.toggle("on", found.edges.has(id));
        row.setAttribute("aria-current", String(is("edge", id)));
      }
      for (const element of this.root.querySelectorAll("[data-node]")) {
        element.setAttribute("aria-pressed", String(is("node", element.dataset.node)));
      }
      // What is behind a number shows while the number is pressed.
      const number = chosen && chosen.figure ? chosen.id : null;
      for (const button of this.root.querySelectorAll("[data-figure]")) {
        button.setAttribute("aria-expanded", String(Number(button.dataset.claim) === number));
      }
      for (const part of this.root.querySelectorAll("[data-behind]")) part.hidden = Number(part.dataset.behind) !== number;
      this.evidence(found);
    }

    /* A line of the evidence copies its claim from the trace when it is first shown. */
    say(line) {
      if (line.querySelector(".star-claim")) return;
      const claim = this.root.querySelector(`[data-claim-row="${line.dataset.evidence}"]`);
      if (claim) line.prepend(claim.cloneNode(true));
    }

    evidence(found) {
      const chosen = this.selection;
      const about = !chosen ? "" : chosen.kind === "node" ? chosen.id : chosen.kind;
      for (const head of this.root.querySelectorAll("[data-about]")) head.hidden = head.dataset.about !== about;
      const all = this.root.querySelector(".star-evidence.all");
      for (const line of this.root.querySelectorAll("[data-evidence]")) {
        line.hidden = Boolean(chosen) && !found.claims.has(Number(line.dataset.evidence));
        if (chosen ? !line.hidden : all) this.say(line);
      }
      for (const button of this.root.querySelectorAll("[data-clear]")) button.hidden = !chosen;
      for (const button of this.root.querySelectorAll("[data-all]")) button.hidden = Boolean(chosen);
      const words = this.root.querySelector("[data-edge-words]");
      if (words && chosen && chosen.kind === "edge") words.textContent = this.model.words[chosen.id] || "";
    }
  }

  function scope(element) {
    const root = element.closest(".star-scope") || document.body;
    if (!scopes.has(root)) scopes.set(root, new Scope(root));
    return scopes.get(root);
  }

  /* The selection that a clicked element stands for, or null. */
  function selected(element) {
    const claim = element.closest("[data-claim]");
    if (claim) return { kind: "claim", id: Number(claim.dataset.claim), figure: "figure" in claim.dataset };
    const edge = element.closest("[data-edge]");
    if (edge) return { kind: "edge", id: Number(edge.dataset.edge) };
    const node = element.closest("[data-node]");
    if (node) return { kind: "node", id: node.dataset.node };
    const card = element.closest(".star-card[data-item]"); // anywhere on a card that is no button of its own
    return card && !element.closest("button, summary, a, details") ? { kind: "node", id: `i:${card.dataset.item}` } : null;
  }

  /* Scroll an element into view unless it is visible; used where what is selected shows outside the window. `always`: also
     where it is visible, since something may stand before it. */
  function reveal(element, always = false) {
    if (!element) return;
    const box = element.getBoundingClientRect();
    if (always || box.top < -1 || box.top > window.innerHeight - 120) {
      const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    }
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.closest("[data-clear]")) return scope(event.target).select(null);
    const all = event.target.closest("[data-all]");
    if (all) {
      const shown = all.parentElement.querySelector(".star-evidence").classList.toggle("all");
      all.setAttribute("aria-expanded", String(shown));
      all.textContent = shown ? "Hide the claims" : "Show all claims";
      return scope(all).paint();
    }
    if (event.target.closest("[data-theme-switch]")) {
      theme(!dark());
      try { localStorage.setItem("star-theme", dark() ? "dark" : "light"); } catch { /* private window */ }
      return;
    }
    const summary = event.target.closest("summary");
    if (summary) summary.parentElement.dataset.touched = "1";
    const selection = selected(event.target);
    if (!selection) return;
    const here = scope(event.target);
    here.select(selection);
    const why = event.target.closest(".star-card-foot [data-node], [data-leads]");
    const passage = why && here.root.querySelector(
      "leads" in why.dataset ? "#trace section.unsupported" : `#trace [data-why="${CSS.escape(why.dataset.node)}"]`);
    // A question is answered by its passage, beside which the path stays. A pressed sentence or card shows its path; what is
    // behind a number opens below the number itself.
    if (passage && here.selection) {
      for (const before of here.root.querySelectorAll("#trace section.asked")) before.classList.remove("asked");
      passage.classList.add("asked");
      reveal(passage, true);
    }
    else if (!selection.figure && event.target.closest("#cards, #trace, .star-left")) reveal(here.root.querySelector(".star-graph.full"));
  });

  document.addEventListener("keydown", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.key === "Escape" && !event.target.matches("input, textarea")) {
      const here = event.target.closest(".star-scope"); // after a click on a canvas the focus is nowhere
      for (const root of here ? [here] : document.querySelectorAll(".star-scope")) scope(root).select(null);
      return;
    }
    const row = event.target.closest("tr[data-edge]");
    if (!row) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      scope(row).select({ kind: "edge", id: Number(row.dataset.edge) });
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
      if (next) { event.preventDefault(); next.focus(); }
    } else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      (event.key === "Home" ? row.parentElement.firstElementChild : row.parentElement.lastElementChild).focus();
    }
  });

  /* The rows of a table are one tab stop: the one that had the focus last. */
  document.addEventListener("focusin", (event) => {
    const row = event.target instanceof Element && event.target.closest("tr[data-edge]");
    if (!row) return;
    for (const other of row.parentElement.querySelectorAll('tr[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
  });

  /* Show keyed blocks. Only changed blocks are replaced; details stay open or closed as the visitor left them. */
  function live(element, blocks) {
    const box = element.querySelector(".star-live");
    const shown = new Map([...box.children].map((child) => [child.dataset.key, child]));
    const changed = [];
    (blocks || []).forEach(({ key, html }, place) => {
      let child = shown.get(key);
      shown.delete(key);
      if (!child) {
        child = document.createElement("div");
        child.dataset.key = key;
      }
      if (box.children[place] !== child) box.insertBefore(child, box.children[place] || null);
      if (child.starHtml === html) return;
      const touched = [...child.querySelectorAll("details[data-touched]")].map((d) => [d.dataset.key, d.open]);
      const focused = child.contains(document.activeElement) ? document.activeElement : null;
      // HTML enters the page only here. It comes from the views, which escape every value.
      child.innerHTML = child.starHtml = html; // oxlint-disable-line no-restricted-properties
      child.starDrawn = (child.starDrawn || 0) + 1;
      changed.push(child);
      for (const made of child.querySelectorAll("[data-kept]")) STAR.mine.add(made.dataset.kept); // an answer that was kept
      for (const [name, open] of touched) {
        const details = child.querySelector(`details[data-key="${CSS.escape(name)}"]`);
        if (details) { details.open = open; details.dataset.touched = "1"; }
      }
      if (focused) {
        const same = focused.dataset.claim !== undefined
          ? child.querySelector(`[data-claim="${CSS.escape(focused.dataset.claim)}"]`)
          : focused.matches("summary") ? child.querySelector("summary") : null;
        if (same) same.focus({ preventScroll: true });
      }
    });
    shown.forEach((child) => child.remove());
    if (!changed.length) return;
    // An answer to a question, or that there is none, takes the place of the one before.
    const question = document.querySelector("#asked.star-old");
    if (question && (question.contains(element) || element.closest("#question-status") && !box.querySelector(".busy"))) question.classList.remove("star-old");
    scope(element).paint();
    changed.forEach(explain);
  }

  /* Terms, from the list at the page's foot: the first of each in a block says on hover what it means. */
  const WHOLE = "#loaded, #status, #cards, #asked", PARTS = ".star-argument, header";
  const UNTOUCHED = "abbr, bdi, cite, h3, code, pre, select, script, .star-sr, .star-steps, .star-step";
  let glossary = null;

  function explain(block) {
    const inside = block.closest(WHOLE) ? [block] : [...block.querySelectorAll(PARTS)];
    if (!glossary) {
      const heads = [...document.querySelectorAll(".star-terms dt")];
      if (!heads.length) return;
      const several = heads.map((head) => [head.textContent.split(", "), head.nextElementSibling.textContent]);
      glossary = several.flatMap(([names, says]) => names.map((term) => {
        const strength = names.length > 1; // “good” and “fair” are words of their own elsewhere
        const plain = term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        return { says: strength ? `${says}: ${names.join(", ")}` : says, found: new RegExp(`(?<![\\w-])${plain}${strength ? "(?=,)" : "s?(?![\\w-])"}`) };
      }));
    }
    for (const part of inside) {
      const walk = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
      const left = new Set(glossary), texts = [];
      while (walk.nextNode()) if (!walk.currentNode.parentElement.closest(UNTOUCHED)) texts.push(walk.currentNode);
      for (let text of texts) {
        for (const each of [...left]) {
          const at = text.data.search(each.found);
          if (at < 0) continue;
          left.delete(each);
          const word = text.splitText(at);
          const rest = word.splitText(word.data.match(each.found)[0].length);
          const mark = document.createElement("abbr");
          mark.title = each.says;
          word.replaceWith(mark);
          mark.append(word);
          if (rest.data.length > text.data.length) text = rest; // go on in the longer part
        }
      }
    }
  }

  const dark = () => document.body.classList.contains("dark");

  function theme(toDark) {
    document.body.classList.toggle("dark", toDark);
    document.documentElement.style.colorScheme = toDark ? "dark" : "light";
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.setAttribute("aria-checked", String(toDark));
    }
  }

  /* Called once, by the page's header: set the theme and its switch. */
  function start() {
    let stored = null;
    try { stored = localStorage.getItem("star-theme"); } catch { /* private window */ }
    const asked = new URLSearchParams(location.search).get("__theme");
    theme(asked ? asked === "dark" : stored ? stored === "dark" : dark());
  }

  /* A computed colour of the page, for painting on a canvas. */
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  /* Calls `act` once what has changed so far is on the screen; in a background tab, which is not drawn, a quarter of a second later. */
  function later(act) {
    let waits = true;
    const go = () => { if (waits) { waits = false; act(); } };
    const idle = window.requestIdleCallback || setTimeout;
    requestAnimationFrame(() => idle(go));
    setTimeout(go, 250);
  }

  return { live, later, scope, reveal, colour, dark, start };
})();
