// SPDX-License-Identifier: GPL-2.0-only
// Sorting, filtering, permalinks and keys. Everything is readable without: this only rearranges what is there.
"use strict";
(() => {
  const make = (name, properties, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const valueOf = (cell) => {
    if (!cell) return null;
    const text = cell.dataset.v ?? cell.textContent.replace(/[,×\s▼▲≈·]/g, "").replace("−", "-");
    const number = parseFloat(text);
    return Number.isNaN(number) ? null : number;
  };
  const sortBy = (table, column, descending) => {
    const body = table.tBodies[0];
    const numeric = [...body.rows].some((row) => valueOf(row.cells[column]) !== null && column > 0);
    const keyed = [...body.rows].map((row, place) => {
      const cell = row.cells[column];
      return { row, place, key: numeric ? valueOf(cell) : (cell?.textContent ?? "").toLowerCase() };
    });
    const sign = descending ? -1 : 1;
    keyed.sort((a, b) => {
      // What has no value stays last either way.
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      return a.key < b.key ? -sign : a.key > b.key ? sign : a.place - b.place;
    });
    body.append(...keyed.map((entry) => entry.row));
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  };
  for (const table of document.querySelectorAll("table")) {
    if (!table.tHead || table.tBodies[0].rows.length < 3) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = make("button", { className: "sort", type: "button", title: "Sort" }, ...head.childNodes);
      button.addEventListener("click", () => {
        sortBy(table, column, head.getAttribute("aria-sort") === "ascending");
        if (table === main) remember();
      });
      head.append(button);
    });
  }

  const main = document.getElementById("table-vgic");
  let search, group, shown;
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of main.tBodies[0].rows) {
      const text = [0, 1, 2].map((place) => row.cells[place].textContent).join(" ").toLowerCase();
      const fits = words.every((word) => text.includes(word)) && (!group.value || row.cells[1].textContent === group.value);
      row.hidden = !fits;
      count += fits;
    }
    shown.value = `${count} of ${main.tBodies[0].rows.length} rows`;
  };
  const meters = () => [...document.querySelectorAll('input[name="meter-vgic"]')];
  const remember = () => {
    const state = new URLSearchParams();
    const meter = meters().findIndex((input) => input.checked);
    if (meter > 0) state.set("meter", meters()[meter].value);
    if (search.value) state.set("find", search.value);
    if (group.value) state.set("group", group.value);
    const sorted = [...main.tHead.rows[0].cells].findIndex((head) => head.ariaSort);
    if (sorted >= 0) state.set("sort", (main.tHead.rows[0].cells[sorted].ariaSort === "descending" ? "-" : "") + sorted);
    const text = state.toString();
    // A file:// page may not write its history in some browsers; the page works without.
    try { history.replaceState(null, "", text ? `#transitions?${text}` : "#transitions"); } catch { /* no permalink then */ }
  };
  const recall = () => {
    const [place, text] = decodeURI(location.hash.slice(1)).split("?");
    if (main && place === "transitions" && text) {
      const state = new URLSearchParams(text);
      const meter = meters().find((input) => input.value === state.get("meter"));
      if (meter) meter.checked = true;
      search.value = state.get("find") ?? "";
      group.value = state.get("group") ?? "";
      const column = Math.abs(parseInt(state.get("sort") ?? "", 10));
      if (column < main.tHead.rows[0].cells.length) sortBy(main, column, state.get("sort").startsWith("-"));
      filter();
      document.getElementById("transitions").scrollIntoView();
    }
    const target = document.getElementById(place);
    const hidden = target?.closest("details");
    if (hidden && !hidden.open) {
      hidden.open = true;
      target.scrollIntoView();
    }
  };
  if (main) {
    const groups = [...new Set([...main.tBodies[0].rows].map((row) => row.cells[1].textContent))];
    search = make("input", { type: "search", placeholder: "words, e.g. spi GICv3" });
    group = make("select", {}, make("option", { value: "" }, "all"), ...groups.map((name) => make("option", { value: name }, name)));
    shown = make("output", {});
    const tools = make("div", { className: "tools" }, make("label", {}, "Filter", search), make("label", {}, "Group", group), shown);
    main.parentElement.before(tools);
    search.addEventListener("input", () => { filter(); remember(); });
    group.addEventListener("change", () => { filter(); remember(); });
    for (const input of meters()) input.addEventListener("change", remember);
    filter();
  }
  addEventListener("hashchange", recall);
  recall();

  const keys = [["/", "filter the transitions"], ["m", "next meter"], ["j / k", "next or previous section"], ["v", "to the verdict"], ["?", "these keys"]];
  const help = make("dialog", {}, make("h2", {}, "Keys"),
    make("dl", { className: "facts" }, ...keys.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, text)])),
    make("form", { method: "dialog" }, make("button", {}, "Close")));
  help.setAttribute("aria-label", "Keys");
  document.body.append(help);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=radio]),select,textarea,dialog")) return;
    const sections = [...document.querySelectorAll("main > section")];
    const here = sections.findIndex((section) => section.getBoundingClientRect().bottom > 80);
    if (event.key === "/" && search) {
      search.scrollIntoView({ block: "center" });
      search.focus();
    } else if (event.key === "m" && main) {
      const inputs = meters();
      const next = inputs[(inputs.findIndex((input) => input.checked) + 1) % inputs.length];
      next.checked = true;
      remember();
    } else if (event.key === "j" || event.key === "k") {
      const step = event.key === "j" ? 1 : -1;
      sections[Math.max(0, Math.min(sections.length - 1, here + step))].scrollIntoView();
    } else if (event.key === "v") {
      sections[0].scrollIntoView();
    } else if (event.key === "?") {
      help.showModal();
    } else {
      return;
    }
    event.preventDefault();
  });
})();
