/* What a browser adds to the pages; each works without it. Reads nothing but the page and the scripts beside it. */
(function () {
  "use strict";
  const me = document.currentScript;
  const root = me.dataset.root || "";
  const site = (window.sozialraum = window.sozialraum || {});
  const collator = new Intl.Collator("de", { numeric: true, sensitivity: "base" });
  const element = (name, attributes, ...children) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
  };
  const load = (file) =>
    new Promise((resolve, reject) => {
      const script = element("script", { src: `${root}static/${file}`, onload: resolve, onerror: reject });
      document.head.append(script);
    });

  /* ---- tables: sort, search, save what is shown ---- */

  const words = (cell) => {
    const note = cell.querySelector("small");
    const text = [...cell.childNodes]
      .filter((node) => node !== note && !(node.nodeType === 1 && node.matches("svg, [aria-hidden], .unseen")))
      .map((node) => node.textContent)
      .join("")
      .trim();
    return { text, note: note ? note.textContent.trim() : "" };
  };
  const german = /^([-\u2212]?\d{1,3}(?:\.\d{3})*|[-\u2212]?\d+)(,\d+)?(?:\u00a0(.+))?$/;
  const number = (text) => {
    const found = german.exec(text);
    return found ? { plain: found[1].replaceAll(".", "").replace("\u2212", "-") + (found[2] || ""), unit: found[3] || "" } : null;
  };
  const day = /^(\d{2})\.(\d{2})\.(\d{4})$/;
  const sortable = (text) => {
    const found = number(text);
    if (found) return parseFloat(found.plain.replace(",", "."));
    const date = day.exec(text);
    return date ? `${date[3]}${date[2]}${date[1]}` : text;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1; /* words in the place of a number come last */
    if (typeof b === "number") return 1;
    return collator.compare(a, b);
  };

  function sortBy(table, index, descending) {
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.matches(".group"));
      const keyed = rows.map((row, place) => ({ row, place, key: sortable(words(row.cells[index]).text) }));
      keyed.sort((a, b) => {
        const mixed = typeof a.key !== typeof b.key;
        return (mixed || !descending ? 1 : -1) * compare(a.key, b.key) || a.place - b.place;
      });
      body.append(...keyed.map((entry) => entry.row));
    }
    [...table.tHead.rows[0].cells].forEach((cell, place) => {
      if (place === index) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  function filter(table, text, count) {
    const wanted = fold(text).split(" ").filter(Boolean);
    let shown = 0;
    for (const body of table.tBodies) {
      let any = false;
      for (const row of body.rows) {
        if (row.matches(".group")) continue;
        const found = fold(row.textContent);
        row.hidden = !wanted.every((word) => found.includes(word));
        if (!row.hidden) (any = true), (shown += 1);
      }
      const group = body.querySelector(".group");
      if (group) group.hidden = !any;
    }
    count.textContent = text ? `${shown} Zeilen` : "";
  }

  /* A text that a spreadsheet would run as a formula gets an apostrophe before it. */
  const safe = (text) => (/^[=+\-@\t\r]/.test(text) && !number(text) ? `'${text}` : text);
  const quoted = (text) => (/[";\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function csv(table) {
    const heads = [...table.tHead.rows[0].cells].map((cell) => words(cell.querySelector("button.sort") || cell).text);
    const rows = [];
    for (const body of [...table.tBodies, ...(table.tFoot ? [table.tFoot] : [])]) {
      const group = body.querySelector(".group");
      for (const row of body.rows) {
        if (row.hidden || row.matches(".group")) continue;
        rows.push({ group: group ? group.textContent.trim() : null, cells: [...row.cells].map(words) });
      }
    }
    const columns = [];
    if (rows.some((row) => row.group !== null)) columns.push(["Gruppe", (row) => row.group || ""]);
    heads.forEach((head, index) => {
      const parsed = rows.map((row) => number(row.cells[index].text));
      columns.push([head, (row) => { const found = number(row.cells[index].text); return found ? found.plain : row.cells[index].text; }]);
      if (parsed.some((found) => found && found.unit)) columns.push([`${head} (Einheit)`, (row) => { const found = number(row.cells[index].text); return found ? found.unit : ""; }]);
      if (rows.some((row) => row.cells[index].note)) columns.push([`${head} (Hinweis)`, (row) => row.cells[index].note]);
    });
    const lines = [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, read]) => read(row)))];
    return "\ufeff" + lines.map((line) => line.map((text) => quoted(safe(text))).join(";")).join("\r\n") + "\r\n";
  }

  function enhance(table) {
    [...table.tHead.rows[0].cells].forEach((cell, index) => {
      if (cell.matches(".spark")) return;
      const button = element("button", { type: "button", className: "sort" });
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => sortBy(table, index, cell.getAttribute("aria-sort") === "ascending"));
    });
    const count = element("span", { className: "count", role: "status" });
    const field = element("input", { type: "search" });
    field.addEventListener("input", () => filter(table, field.value, count));
    const save = element("button", { type: "button", textContent: "Als CSV speichern" });
    save.addEventListener("click", () => {
      const link = element("a", { download: `${table.dataset.file}.csv` });
      link.href = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv;charset=utf-8" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
    const tools = table.closest(".scroll").previousElementSibling; /* its place is kept, so that nothing moves */
    tools.append(element("label", {}, "In der Tabelle suchen ", field), save, count);
  }

  /* ---- charts: answer the pointer once it comes near ---- */

  const locale = { decimal: ",", thousands: ".", grouping: [3], currency: ["", "\u00a0€"] };
  let vega = null;
  function awaken(drawing) {
    const spec = drawing.nextElementSibling;
    if (!spec || drawing.dataset.awake) return;
    drawing.dataset.awake = "true";
    vega = vega || load("vega.js");
    vega
      .then(() => {
        const still = drawing.querySelector("svg");
        const place = element("div", {});
        return window
          .vegaEmbed(place, JSON.parse(spec.textContent), { mode: "vega-lite", actions: false, renderer: "svg", formatLocale: locale, tooltip: { theme: "custom" } })
          .then(() => {
            const live = place.querySelector("svg");
            for (const name of ["role", "aria-label", "viewBox", "width", "height"]) live.setAttribute(name, still.getAttribute(name));
            live.style.cssText = "";
            still.replaceWith(place);
          });
      })
      .catch(() => {}); /* the drawing stays as it is */
  }

  /* ---- tabs ---- */

  let tabCount = 0;
  function makeTabs(box) {
    const panels = [...box.querySelectorAll(":scope > .tab")];
    const list = element("div", { className: "tab-list", role: "tablist" });
    const buttons = panels.map((panel) => {
      const id = `register-${(tabCount += 1)}`;
      panel.id = id;
      panel.setAttribute("role", "tabpanel");
      panel.tabIndex = 0;
      panel.querySelector(".tab-title").hidden = true;
      const button = element("button", { type: "button", id: `${id}-titel`, textContent: panel.dataset.title });
      button.setAttribute("role", "tab");
      button.setAttribute("aria-controls", id);
      panel.setAttribute("aria-labelledby", button.id);
      list.append(button);
      return button;
    });
    const show = (place, focus) => {
      panels.forEach((panel, other) => (panel.hidden = other !== place));
      buttons.forEach((button, other) => {
        button.setAttribute("aria-selected", String(other === place));
        button.tabIndex = other === place ? 0 : -1;
      });
      if (focus) buttons[place].focus();
    };
    buttons.forEach((button, place) => {
      button.addEventListener("click", () => show(place));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) show((place + step + buttons.length) % buttons.length, true);
      });
    });
    box.prepend(list);
    show(0);
  }

  /* ---- search ---- */

  function fold(text) {
    return text
      .toLowerCase()
      .replaceAll("ß", "ss")
      .replace(/ae/g, "ä").replace(/oe/g, "ö").replace(/ue/g, "ü")
      .normalize("NFD")
      .replace(/[\u0300-\u036f]/g, "")
      .replace(/[^a-z0-9]+/g, " ")
      .trim();
  }

  /* How well words are found in a title: 0 not at all, more for whole words and beginnings. */
  function score(wanted, title, context) {
    let points = 0;
    const names = title.split(" ");
    for (const word of wanted) {
      if (names.includes(word)) points += 6;
      else if (names.some((name) => name.startsWith(word))) points += 4;
      else if (word.length > 2 && title.includes(word)) points += 2;
      else if (context.split(" ").some((name) => name.startsWith(word))) points += 1;
      else return 0;
    }
    return points + 1 / (1 + title.length);
  }

  function find(text) {
    const wanted = fold(text).split(" ").filter(Boolean);
    if (!wanted.length) return [];
    const found = [];
    site.index.forEach((source) => {
      source.entries.forEach(([title, context, url]) => {
        const points = score(wanted, fold(title), fold(context));
        if (points) found.push({ points, title, context, url });
      });
      if (source.on === null || wanted.length < 2) return;
      /* a topic in a place: every way to share the words between the two */
      for (let cut = 1; cut < 2 ** wanted.length - 1 && wanted.length < 7; cut += 1) {
        const forTopic = wanted.filter((_, place) => cut & (1 << place));
        const forPlace = wanted.filter((_, place) => !(cut & (1 << place)));
        const topics = source.entries.map((entry) => [score(forTopic, fold(entry[0]), ""), entry]).filter(([points]) => points);
        if (!topics.length) continue;
        for (const place of site.index[source.on].entries) {
          const points = score(forPlace, fold(place[0]), "");
          if (!points) continue;
          for (const [more, topic] of topics) {
            const anchor = topic[2].replace(/^.*\/|\.html$/g, "");
            found.push({ points: points + more + 1, title: `${topic[0]}: ${place[0]}`, context: place[1], url: `${place[2]}#${anchor}` });
          }
        }
      }
    });
    const seen = new Set();
    return found
      .sort((a, b) => b.points - a.points || collator.compare(a.title, b.title))
      .filter((entry) => !seen.has(entry.url) && seen.add(entry.url))
      .slice(0, 40);
  }
  site.find = find;

  function search(place) {
    const query = new URLSearchParams(location.search).get("q") || "";
    const field = document.getElementById("suchfeld");
    field.value = query;
    const show = () => {
      const found = find(field.value);
      place.replaceChildren();
      const count = found.length ? `${found.length} Treffer` : field.value ? "Kein Treffer. Versuchen Sie einen Teil des Namens." : "Geben Sie oben ein Gebiet, ein Thema oder beides ein.";
      place.append(element("p", { role: "status", textContent: count }));
      const list = element("ol", { className: "results" });
      for (const entry of found) list.append(element("li", {}, element("a", { href: root + entry.url, textContent: entry.title }), element("small", { textContent: entry.context })));
      if (found.length) place.append(list);
    };
    load("search-index.js").then(() => {
      show();
      field.addEventListener("input", show);
    });
  }

  document.querySelectorAll("table[data-file]").forEach(enhance);
  document.querySelectorAll(".tabs").forEach(makeTabs);
  for (const drawing of document.querySelectorAll(".drawing"))
    for (const event of ["pointerenter", "focusin"]) drawing.addEventListener(event, () => awaken(drawing), { once: true });
  const results = document.getElementById("suchergebnisse");
  if (results) search(results);
})();
