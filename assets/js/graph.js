/* The graph: nodes and edges come from pyvis, vis-network draws them, and the selection is that of `STAR.scope`. */
"use strict";

(() => {
  const LAYERS = { user: 0, history: 0, genre: 1, reader: 1, candidate: 2, recommended: 2 };
  const SIGNS = { user: "◆", history: "■", recommended: "★", candidate: "●", reader: "▲", genre: "⬢" };
  const LOUD = ["user", "history", "recommended", "candidate", "genre"];

  /* Order the nodes of each layer by the mean place of their neighbours in other layers, in a few rounds. */
  function ordered(layers, edges) {
    const place = new Map();
    const put = () => layers.forEach((layer) => layer.forEach((n, i) => place.set(n.id, (i + 0.5) / layer.length)));
    const near = new Map();
    for (const { from, to } of edges) {
      near.set(from, [...(near.get(from) || []), to]);
      near.set(to, [...(near.get(to) || []), from]);
    }
    const mean = (node) => {
      const others = (near.get(node.id) || []).filter((id) => place.has(id));
      return others.length ? others.reduce((sum, id) => sum + place.get(id), 0) / others.length : place.get(node.id);
    };
    put();
    for (let round = 0; round < 4; round += 1) {
      [layers[1], layers[0]].forEach((layer) => {
        layer.sort((a, b) => (a.group === "user" ? -1 : b.group === "user" ? 1 : mean(a) - mean(b)));
        put();
      });
    }
  }

  /* Three columns at the canvas's scale: the shelf, then readers and genres, then recommended books. A path has a fixed height,
     so that nothing below it moves. */
  function arranged(nodes, edges, width, path) {
    const layers = [[], [], []];
    nodes.forEach((node) => layers[LAYERS[node.group] ?? 1].push(node));
    layers[2].sort((a, b) => (a.group === b.group ? 0 : a.group === "recommended" ? -1 : 1));
    ordered(layers, edges);
    const wide = width > 560;
    const row = wide ? 54 : 60;
    const tall = Math.max(...layers.map((layer, i) => layer.length * (i === 1 ? 30 : row)), 330);
    const height = path ? 250 : Math.min(tall + 40, 900);
    const columns = wide ? [0.27, 0.54, 0.84] : [0.17, 0.5, 0.82];
    if (wide) layers[0].sort((a, b) => (a.group === "user" ? -1 : b.group === "user" ? 1 : 0));
    layers.forEach((layer, i) => {
      const alone = wide && i === 0 && layer.length && layer[0].group === "user" ? 1 : 0; // the user is left of the shelf
      layer.forEach((node, n) => {
        const stagger = i === 1 && layer.length > 8 ? ((n % 3) - 1) * width * 0.05 : 0;
        node.x = width * columns[i] - width / 2 + stagger;
        node.y = ((n - alone + 0.5) / (layer.length - alone)) * (height - 40) - height / 2 + 10;
      });
      if (alone) Object.assign(layer[0], { x: width * 0.07 - width / 2, y: 0 });
    });
    return height;
  }

  /* Bend parallel edges apart. */
  function bent(edges) {
    const seen = new Map();
    return edges.map((edge) => {
      const pair = [edge.from, edge.to].sort().join("\u0000");
      const n = seen.get(pair) || 0;
      seen.set(pair, n + 1);
      const smooth = { enabled: true, type: n % 2 ? "curvedCCW" : "curvedCW", roundness: 0.08 + 0.12 * Math.ceil(n / 2) };
      return { ...edge, smooth };
    });
  }

  /* A label cut to a number of letters. A right-to-left name arrives isolated (star/display.py) and stays isolated. */
  function clipped(text, most) {
    if (text.length <= most) return text;
    return `${text.slice(0, most - 1).trimEnd()}…${text.startsWith("\u2068") ? "\u2069" : ""}`;
  }

  STAR.graph = (element, clicked) => {
    const find = (selector) => element.querySelector(selector);
    const canvas = find(".star-canvas");
    const scope = STAR.scope(element);
    const hidden = new Set();
    let value = { nodes: [], edges: [] };
    let every = value; // all that can be drawn
    let path = null; // the item whose path is drawn, or null for the whole graph
    let net = null, nodes = null, edges = null, physics = false, width = 0, drawing = 0;

    const kindColour = (kind) => STAR.colour(`--star-node-${kind}`) || "#888";
    const edgeColour = (kind) => STAR.colour(`--star-edge-${kind}`) || "#888";

    function nodeStyle(node, found, chosen) {
      const quiet = chosen && chosen.id !== path && !found.nodes.has(node.id);
      const hit = node.hit;
      const ink = STAR.colour("--star-ink");
      const loud = LOUD.includes(node.group) || value.nodes.length < 14 || hit || (chosen && found.nodes.has(node.id) && found.nodes.size < 12);
      const most = width > 560 ? 34 : 22;
      return {
        id: node.id,
        hidden: hidden.has(node.group),
        label: loud ? clipped(node.full, most) : " ",
        opacity: quiet ? 0.18 : 1,
        borderWidth: hit || (chosen && chosen.kind === "node" && chosen.id === node.id) ? 4 : 1,
        color: { background: kindColour(node.group), border: hit ? ink : STAR.colour("--star-paper"),
          highlight: { background: kindColour(node.group), border: ink }, hover: { background: kindColour(node.group), border: ink } },
        font: { color: quiet ? STAR.colour("--star-faint") : ink, size: width > 560 ? 13 : 11, face: STAR.colour("--star-sans"),
          strokeWidth: 3, strokeColor: STAR.colour("--star-paper"), vadjust: -2 },
        widthConstraint: { maximum: width > 560 ? 150 : 96 },
      };
    }

    function edgeStyle(edge, found, chosen) {
      const all = !chosen || chosen.id === path; // the path of a chosen item is lit as a whole
      const on = !all && found.edges.has(edge.id);
      const base = edgeColour(edge.kind);
      return {
        id: edge.id,
        hidden: hidden.has(`edge:${edge.kind}`),
        width: on ? edge.base + 2 : edge.base,
        color: { color: base, hover: base, highlight: base, opacity: all ? 0.55 : on ? 1 : 0.08 },
      };
    }

    /* Draw what a claim or an edge rests on, where it is not drawn yet; of a selected node only the node itself. */
    function add(found, chosen) {
      if (!net || !chosen) return;
      const wanted = (id) => (chosen.kind === "node" ? id === chosen.id : found.nodes.has(id));
      const there = new Set(value.nodes.map((node) => node.id));
      const fresh = every.nodes.filter((node) => wanted(node.id) && !there.has(node.id));
      const has = new Set(value.edges.map((edge) => edge.id));
      for (const node of fresh) there.add(node.id);
      const ready = every.edges.filter((edge) => !has.has(edge.id) && there.has(edge.from) && there.has(edge.to)
        && (!path || found.edges.has(edge.id)));
      if (!fresh.length && !ready.length) return;
      fill([...value.nodes, ...fresh], [...value.edges, ...ready]);
    }

    /* Draw these nodes and edges and no others. */
    function fill(someNodes, someEdges) {
      value.nodes = someNodes;
      value.edges = someEdges;
      const gone = (set, kept) => set.getIds().filter((id) => !kept.some((one) => one.id === id));
      edges.remove(gone(edges, someEdges));
      nodes.remove(gone(nodes, someNodes));
      nodes.update(someNodes.map((node) => ({ ...node, full: node.label })));
      edges.update(bent(someEdges).map((edge) => ({ ...edge, base: edge.width || 1 })));
      legend();
      arrange();
    }

    /* The path of an item, or with null the whole graph. */
    function show(item) {
      const part = item && every.paths[item];
      path = part ? item : null;
      still();
      if (part) fill(every.nodes.filter((node) => part.nodes.includes(node.id)), every.edges.filter((edge) => part.edges.includes(edge.id)));
      else fill(every.first.nodes, every.first.edges);
      mark();
    }

    /* Which card's path is drawn. */
    function mark() {
      find("[data-whole]").setAttribute("aria-checked", String(!path));
      element.querySelector(".star-graph").classList.toggle("whole", !path);
      for (const card of scope.root.querySelectorAll(".star-card[data-item]")) {
        card.classList.toggle("shown", path === `i:${card.dataset.item}`);
      }
    }

    function still() {
      physics = false;
      net.setOptions({ physics: { enabled: false } });
      find("[data-physics]").setAttribute("aria-checked", "false");
    }

    /* A selection about another item brings that item's path. */
    function follow(chosen) {
      if (!net || !path || !chosen) return;
      const about = chosen.kind === "node" ? chosen.id : chosen.kind === "claim" ? (every.claims[chosen.id] || { nodes: [] }).nodes[0] : null;
      if (about && about !== path && every.paths[about]) show(about);
    }

    function paint(found = scope.found(), chosen = scope.selection) {
      if (!net) return;
      nodes.update(nodes.map((node) => nodeStyle(node, found, chosen)));
      edges.update(edges.map((edge) => edgeStyle(edge, found, chosen)));
    }

    function arrange() {
      width = canvas.clientWidth;
      if (!net || !width) return;
      const height = arranged(value.nodes, value.edges, width, Boolean(path));
      canvas.style.height = `${height}px`;
      net.setSize("100%", `${height}px`);
      if (!physics) nodes.update(value.nodes.map(({ id, x, y }) => ({ id, x, y })));
      paint();
      net.redraw();
      fit();
    }

    function fit() {
      if (physics) return net.fit({ animation: false });
      net.moveTo({ position: { x: 0, y: 0 }, scale: 1, animation: false });
    }

    function draw(next) {
      if (net) { net.destroy(); net = null; }
      const copy = JSON.parse(JSON.stringify(next || { nodes: [], edges: [] }));
      const more = copy.more || { nodes: [], edges: [] };
      every = {
        nodes: [...copy.nodes, ...more.nodes], edges: [...copy.edges, ...more.edges], first: { nodes: copy.nodes, edges: copy.edges },
        paths: copy.paths || {}, claims: copy.claims || [], total: copy.nodes.length + (copy.hidden || 0),
      };
      value = copy;
      path = null;
      hidden.clear();
      physics = false;
      const full = value.nodes.length > 0;
      element.querySelector(".star-graph").classList.toggle("full", full);
      canvas.dataset.run = "";
      if (STAR.explore && element.closest(".star-answer")) STAR.explore.drawn(value.asked, value.run);
      scope.load({ claims: value.claims || [], about: value.about || {}, ends: value.ends || [], words: value.words || [] });
      find(".star-legend").replaceChildren();
      const mine = drawing += 1;
      if (full) STAR.later(() => { if (mine === drawing) begin(); }); // the cards come first
      else { canvas.replaceChildren(); canvas.style.height = "0"; }
    }

    function begin() {
      width = canvas.clientWidth || 600;
      nodes = new vis.DataSet([]);
      edges = new vis.DataSet([]);
      const options = { ...value.options, physics: { ...value.options.physics, enabled: false }, autoResize: false };
      net = new vis.Network(canvas, { nodes, edges }, options);
      net.on("click", ({ nodes: [node], edges: [edge] }) => {
        net.unselectAll();
        if (node !== undefined) {
          scope.select({ kind: "node", id: node });
          STAR.reveal(scope.root.querySelector("#evidence, .star-evidence-panel"));
          clicked(node);
        } else if (edge !== undefined) scope.select({ kind: "edge", id: edge });
        else scope.select(null);
      });
      net.on("hoverNode", () => { canvas.style.cursor = "pointer"; });
      net.on("blurNode", () => { canvas.style.cursor = ""; });
      net.on("stabilized", () => physics && fit());
      canvas.starNetwork = net;
      for (const part of canvas.querySelectorAll("[tabindex]")) part.removeAttribute("tabindex"); // the table is for keyboards
      find("[data-physics]").setAttribute("aria-checked", "false");
      find("[data-find]").value = "";
      find("[data-find-said]").textContent = "";
      for (const [link, name] of [["[data-html]", "report.html"], ["[data-json]", "recommendation.json"]]) {
        find(link).hidden = !value.files; // blinded records are not downloaded
        find(link).href = `${value.files}/${name}`;
      }
      show(Object.keys(every.paths)[0] || null);
      canvas.dataset.run = value.run;
    }

    function legend() {
      const count = (list, key) => list.reduce((sum, x) => sum.set(x[key], (sum.get(x[key]) || 0) + 1), new Map());
      const box = find(".star-legend");
      box.replaceChildren();
      const entry = (name, words, number, kind) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = `star-key ${kind}`;
        button.setAttribute("aria-pressed", String(!hidden.has(kind === "edge" ? `edge:${name}` : name)));
        const sign = document.createElement("i");
        sign.className = `${kind}-${name}`;
        button.append(sign, path ? words : `${words} ${number}`);
        button.addEventListener("click", () => {
          const key = kind === "edge" ? `edge:${name}` : name;
          if (!hidden.delete(key)) hidden.add(key);
          button.setAttribute("aria-pressed", String(!hidden.has(key)));
          paint();
        });
        box.append(button);
      };
      count(value.nodes, "group").forEach((number, kind) => entry(kind, value.nodeKinds[kind] || kind, number, "node"));
      count(value.edges, "kind").forEach((number, kind) => entry(kind, value.edgeKinds[kind] || kind, number, "edge"));
      const left = every.total - value.nodes.length;
      if (left > 0 && !path) box.append(`${left} more ${left === 1 ? "node is" : "nodes are"} not drawn`);
    }

    /* The drawing with its title above and its legend below. */
    function png() {
      const source = canvas.querySelector("canvas");
      const scale = source.width / canvas.clientWidth;
      const keys = [...find(".star-legend").querySelectorAll('.star-key[aria-pressed="true"]')];
      const columns = Math.max(1, Math.floor(canvas.clientWidth / 190));
      const head = 34, line = 20, foot = Math.ceil(keys.length / columns) * line + 14;
      const copy = document.createElement("canvas");
      copy.width = source.width;
      copy.height = source.height + (head + foot) * scale;
      const brush = copy.getContext("2d");
      brush.fillStyle = STAR.colour("--star-paper");
      brush.fillRect(0, 0, copy.width, copy.height);
      brush.drawImage(source, 0, head * scale);
      brush.scale(scale, scale);
      brush.fillStyle = STAR.colour("--star-ink");
      brush.font = `600 17px ${STAR.colour("--star-serif")}`;
      brush.fillText(`STAR · ${value.title || "graph"}`, 10, 23);
      brush.font = `12.5px ${STAR.colour("--star-sans")}`;
      keys.forEach((key, place) => {
        const x = 10 + (place % columns) * 190, y = head + canvas.clientHeight + 18 + Math.floor(place / columns) * line;
        const edge = key.classList.contains("edge");
        const name = key.querySelector("i").className.replace(/^(node|edge)-/, "");
        brush.fillStyle = edge ? edgeColour(name) : kindColour(name);
        if (edge) brush.fillRect(x, y - 5, 16, 3);
        else brush.fillText(SIGNS[name] || "●", x, y);
        brush.fillStyle = STAR.colour("--star-ink");
        brush.fillText(key.textContent, x + 21, y);
      });
      const link = document.createElement("a");
      link.href = copy.toDataURL("image/png");
      link.download = "star-graph.png";
      link.click();
    }

    const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

    /* Mark the nodes with this text; `go` selects the first, drawing it where it is not drawn yet. */
    function search(text, go) {
      if (!net) return;
      const words = plain(text.trim());
      const holds = (label) => Boolean(words) && plain(label).includes(words);
      nodes.update(nodes.map((node) => ({ id: node.id, hit: holds(node.full) })));
      paint();
      const first = nodes.get({ filter: (node) => node.hit })[0];
      const others = every.nodes.filter((node) => !nodes.get(node.id) && holds(node.label));
      const said = !words || first ? "" : others.length ? "Not drawn yet; press Enter to draw it." : `No node is called “${text.trim()}”.`;
      find("[data-find-said]").textContent = said;
      const found = first || others[0];
      if (!go || !found) return;
      scope.select({ kind: "node", id: found.id }, false);
      if (!first) search(text, false);
      STAR.reveal(scope.root.querySelector("#evidence, .star-evidence-panel"));
    }

    find("[data-find]").addEventListener("input", (event) => search(event.target.value, false));
    find("[data-find]").addEventListener("keydown", (event) => {
      if (event.key === "Enter") search(event.target.value, true);
    });
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!net || !button) return;
      if (button.dataset.zoom) net.moveTo({ scale: net.getScale() * Number(button.dataset.zoom) });
      if ("fit" in button.dataset) fit();
      if ("whole" in button.dataset) show(path ? null : (scope.selection && every.paths[scope.selection.id] ? scope.selection.id : Object.keys(every.paths)[0]));
      if ("png" in button.dataset) png();
      if ("physics" in button.dataset) {
        physics = !physics;
        button.setAttribute("aria-checked", String(physics));
        net.setOptions({ physics: { enabled: physics } });
        if (physics) setTimeout(() => net && physics && fit(), 1200);
        else arrange();
      }
    });
    scope.listeners.push((found, chosen) => { follow(chosen); add(found, chosen); paint(found, chosen); });
    let waiting = 0;
    new ResizeObserver(() => {
      if (!net || Math.abs(canvas.clientWidth - width) < 2) return;
      clearTimeout(waiting);
      waiting = setTimeout(arrange, 80);
    }).observe(canvas);
    new MutationObserver(() => paint()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    return draw;
  };
})();
