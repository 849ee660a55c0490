"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const report = data.report;

  // ---- elements -----------------------------------------------------------
  // Only textContent and attributes: names in the data are never markup.
  const SVG = "http://www.w3.org/2000/svg";
  const fill = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) node.setAttribute(name, value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) node.append(child);
    }
    return node;
  };
  const el = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);
  const byId = (id) => document.getElementById(id);

  // ---- numbers ------------------------------------------------------------
  const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const integer = (n) => grouped.format(n);
  const plural = (n, one, many) => integer(n) + " " + (n === 1 ? one : many);
  // As the report's text has it: "1.23 ms".
  const duration = (ns) =>
    ns < 1e3 ? ns.toFixed(0) + " ns"
    : ns < 1e6 ? (ns / 1e3).toFixed(1) + " \u00b5s"
    : ns < 1e9 ? (ns / 1e6).toFixed(2) + " ms"
    : (ns / 1e9).toFixed(3) + " s";
  const elapsed = (seconds) => {
    if (seconds < 60) return seconds.toFixed(2) + " s";
    const whole = Math.round(seconds);
    const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60;
    return h > 0 ? h + " h " + m + " min" : m + " min " + whole % 60 + " s";
  };
  const short = (n) => {
    for (const [unit, suffix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (n >= unit) return +(n / unit).toPrecision(3) + suffix;
    }
    return String(+n.toPrecision(3));
  };
  const percent = (share) =>
    (share * 100).toFixed(share > 0 && share < 0.0995 ? 1 : 0) + " %";

  // A figure of the report, and where it is in it.
  const at = (path) => path.split(".").reduce((o, key) => o[key], report);
  const figure = (tag, path, format, attributes) => {
    const value = at(path);
    const plain = format === integer && value === 0;
    return el(tag, { "data-figure": path, class: plain ? "zero" : null,
      ...attributes }, format(value));
  };

  // ---- scales -------------------------------------------------------------
  // 0 to at least `max` in two to five round steps.
  const niceScale = (max, least) => {
    if (!(max > 0)) return { top: 1, ticks: [0, 1] };
    const raw = Math.max(max / 4, max < 1 ? 0 : least || 0);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].find((f) => f * power >= raw) * power;
    const ticks = [];
    for (let i = 0; i * step < max + step * 0.999; ++i) ticks.push(i * step);
    return { top: ticks[ticks.length - 1], ticks };
  };
  const timeSteps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60,
    120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800,
    604800];
  const timeTicks = (end, most) => {
    const step = timeSteps.find((s) => end / s <= most) || end / most;
    const ticks = [];
    for (let i = 0; i * step <= end * 1.0001; ++i) ticks.push(i * step);
    const two = (n) => String(n).padStart(2, "0");
    const label = (s) => {
      if (s === 0) return "0";
      if (step < 1) return +s.toFixed(2) + " s";
      if (end < 120) return s + " s";
      const m = Math.floor(s / 60);
      if (end < 7200) return m + ":" + two(Math.round(s % 60)) + " min";
      return Math.floor(m / 60) + ":" + two(m % 60) + " h";
    };
    return ticks.map((s) => ({ at: s, label: label(s) }));
  };
  // Powers of ten between two durations, in ns.
  const decades = (low, high) => {
    const ticks = [];
    for (let e = Math.ceil(Math.log10(low)); e <= Math.log10(high) + 1e-9; ++e) {
      const unit = ["ns", "\u00b5s", "ms", "s"][Math.min(3, Math.floor(e / 3))];
      const number = 10 ** (e - 3 * Math.min(3, Math.floor(e / 3)));
      ticks.push({ at: 10 ** e, label: integer(number) + " " + unit });
    }
    return ticks;
  };

  // ---- charts -------------------------------------------------------------
  // A chart is drawn for the width it has, so that its text keeps its size, and
  // again when that changes.
  const charts = [];
  let drawn = 0;
  const chart = (title, describe, legend, draw) => {
    const plot = el("div", { class: "plot" });
    const head = el("div", { class: "chart-head" }, el("h3", {}, title),
      legend.length > 0 ? el("ul", { class: "legend" }, legend.map(key)) : null);
    charts.push({ plot, title, describe, draw, width: 0 });
    return [head, plot];
  };
  const key = ({ kind, color, text }) => el("li", {},
    svg("svg", { viewBox: "0 0 18 10", "aria-hidden": "true" },
      kind === "area"
        ? [svg("rect", { class: "area " + color, width: 18, height: 10 }),
           svg("path", { class: "line " + color, d: "M0 1H18" })]
        : kind === "bar"
          ? svg("rect", { class: "bar " + color, width: 18, height: 10 })
          : svg("path", { class: "line " + color, d: "M0 5H18" })), text);
  const redraw = (one) => {
    const width = Math.floor(one.plot.clientWidth);
    if (width <= 0 || width === one.width) return;
    one.width = width;
    const id = "chart-" + ++drawn;
    const { height, marks } = one.draw(width);
    one.plot.replaceChildren(svg("svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
        "aria-labelledby": id + "t " + id + "d" },
      svg("title", { id: id + "t" }, one.title),
      svg("desc", { id: id + "d" }, one.describe), marks));
  };

  const label = (x, y, text, anchor, css) =>
    svg("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor,
      class: css }, text);
  const path = (css, d) => svg("path", { class: css, d });

  // The frame of a chart over time: `edges` are the ends of its intervals.
  const timeFrame = (width, height, end, max, unit) => {
    const scale = niceScale(max, 1);
    const texts = scale.ticks.map(short);
    const left = 10 + 7 * Math.max(...texts.map((t) => t.length));
    const box = { left, right: width - 14, top: 22, bottom: height - 24 };
    const x = (s) => box.left + (box.right - box.left) * (end > 0 ? s / end : 0);
    const y = (v) => box.bottom - (box.bottom - box.top) * v / scale.top;
    const marks = scale.ticks.map((v, i) => [
      path("grid", `M${box.left} ${y(v).toFixed(1)}H${box.right}`),
      label(box.left - 7, y(v) + 4, texts[i], "end")]).flat();
    for (const tick of timeTicks(end, Math.max(2, (box.right - left) / 68))) {
      const px = x(tick.at);
      const last = px > box.right - 24;
      marks.push(path("axis", `M${px.toFixed(1)} ${box.bottom}v5`),
        label(last ? Math.min(px + 14, width) : px, box.bottom + 18, tick.label,
          last ? "end" : px < left + 12 ? "start" : "middle"));
    }
    marks.push(path("axis", `M${box.left} ${box.bottom}H${box.right}`),
      label(0, 11, unit, "start"));
    return { box, x, y, scale, marks };
  };
  const steps = (frame, edges, values) => {
    let d = "", from = 0;
    values.forEach((value, i) => {
      const px = frame.x(edges[i]).toFixed(1), py = frame.y(value).toFixed(1);
      d += (i === 0 ? `M${frame.x(from).toFixed(1)} ${py}` : `V${py}`) + `H${px}`;
      from = edges[i];
    });
    return d;
  };
  const overTime = (edges, series, unit, limit, tall) => (width) => {
    const height = width < 480 ? 150 : tall || 168;
    const end = edges[edges.length - 1];
    const max = Math.max(0, ...series.flatMap((s) => s.values));
    const frame = timeFrame(width, height, end,
      limit > 0 && limit <= 2.5 * max ? Math.max(max, limit) : max, unit);
    if (limit > 0 && limit <= frame.scale.top) {
      frame.marks.push(path("line limit",
        `M${frame.box.left} ${frame.y(limit).toFixed(1)}H${frame.box.right}`));
    }
    for (const { kind, color, values } of series) {
      const d = steps(frame, edges, values);
      if (kind === "area") {
        frame.marks.push(path("area " + color,
          d + `V${frame.box.bottom}H${frame.x(0).toFixed(1)}Z`));
      }
      frame.marks.push(path("line " + color, d));
    }
    return { height, marks: frame.marks };
  };

  // Shares of all jobs by how long something took, on a logarithmic axis from
  // `low` to `high`.
  const distribution = (buckets, summary, color, low, high) => (width) => {
    const height = 150;
    const total = buckets.reduce((sum, [, count]) => sum + count, 0);
    const max = Math.max(...buckets.map(([, count]) => count / total));
    const scale = niceScale(max * 100);
    const box = { left: 44, right: width - 14, top: 34, bottom: height - 24 };
    const x = (ns) => box.left + (box.right - box.left) *
      Math.min(1, Math.max(0, Math.log(ns / low) / Math.log(high / low)));
    const y = (p) => box.bottom - (box.bottom - box.top) * p / scale.top;
    const marks = scale.ticks.map((p) => [
      path("grid", `M${box.left} ${y(p).toFixed(1)}H${box.right}`),
      label(box.left - 7, y(p) + 4, short(p) + " %", "end")]).flat();
    marks.push(label(0, 11, "share of jobs", "start"));
    let from = low;
    for (const [bound, count] of buckets) {
      const to = Math.max(bound, from);
      const px = x(from), wide = Math.max(1.5, x(to) - px - 1);
      if (count > 0) {
        const top = Math.min(y(count / total * 100), box.bottom - 1.5);
        marks.push(svg("rect", { class: "bar " + color, x: px.toFixed(1),
          y: top.toFixed(1), width: wide.toFixed(1),
          height: (box.bottom - top).toFixed(1) }));
      }
      from = to;
    }
    const ticks = decades(low, high);
    const every = Math.ceil(ticks.length * 56 / (box.right - box.left));
    ticks.forEach((tick, i) => {
      const px = x(tick.at);
      marks.push(path("axis", `M${px.toFixed(1)} ${box.bottom}v5`));
      if (i % every === 0) {
        marks.push(label(Math.min(px, width - 16), box.bottom + 18, tick.label,
          "middle"));
      }
    });
    marks.push(path("axis", `M${box.left} ${box.bottom}H${box.right}`));
    const places = [["p50", summary.p50_ns], ["p99", summary.p99_ns]]
      .map(([name, ns]) => ({ name, px: x(ns) }));
    const close = places[1].px - places[0].px < 60;
    places.forEach(({ name, px }, i) => {
      marks.push(path("mark", `M${px.toFixed(1)} ${box.top - 4}V${box.bottom}`),
        label(px + (close ? (i === 0 ? 2 : -2) : 0), box.top - 9, name,
          close ? (i === 0 ? "end" : "start") : "middle", "strong"));
    });
    return { height, marks };
  };

  // ---- tables -------------------------------------------------------------
  // Roles are spelled out, since narrow screens lay some tables out as blocks.
  const table = (caption, heads, rows, css) =>
    el("table", { role: "table", class: css || null },
      caption ? el("caption", {}, caption) : null,
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads.map(
        (head) => el("th", { role: "columnheader", scope: "col",
          class: head.css || null }, head.text)))),
      el("tbody", { role: "rowgroup" }, rows));
  const columns = (...texts) => texts.map((text) => ({ text }));
  const rowHead = (...children) =>
    el("th", { role: "rowheader", scope: "row" }, ...children);
  const cell = { role: "cell" };
  const labelled = (text) => ({ ...cell, "data-label": text });
  const quantileCells = (base) => [
    figure("td", base + ".count", integer, labelled("count")),
    ...["p50", "p99", "max"].map((name) =>
      figure("td", `${base}.${name}_ns`, duration, labelled(name)))];
  // What would turn the text around it about, or is not to be seen at all.
  const visible = (name) => name.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  // A long name may break after these.
  const breakable = (name) => name.split(/(?<=[_/])/).flatMap(
    (piece, i) => i === 0 ? [piece] : [el("wbr"), piece]);

  // ---- the run ------------------------------------------------------------
  const sessions = report.sessions;
  const used = report.pools
    .map((pool, index) => ({ pool, index }))
    .filter(({ pool }) => pool.submitted > 0 || pool.invocations > 0);
  const started = used.reduce((sum, { pool }) => sum + pool.invocations, 0);
  const failed = used.reduce((sum, { pool }) => sum + pool.failed, 0);
  const points = data.timeline;
  const edges = points.map((point) => point.until_s);

  const head = () => {
    const what = sessions.ended === 0
      ? "No session in " + elapsed(report.seconds)
      : plural(sessions.ended, "session", "sessions") + " in " +
        elapsed(report.seconds);
    const how = sessions.errors > 0
      ? ", " + integer(sessions.errors) + " ended by an error of the policy"
      : sessions.ended > 0 ? ", none ended by an error" : "";
    byId("headline").textContent = what + how;
    document.title = what + " \u2013 host-sim report";
    const began = new Date(data.began);
    byId("facts").append(
      el("code", {}, el("bdi", {}, visible(data.config))), " \u00b7 ",
      el("time", { datetime: data.began },
        began.toISOString().slice(0, 19).replace("T", " ") + " UTC"),
      " \u00b7 ", plural(report.loops.length, "event loop", "event loops"), ", ",
      figure("span", "states", (n) => plural(n, "Lua state", "Lua states"),
        { class: null }),
      ", up to ", figure("span", "concurrency", integer, { class: null }),
      " sessions at once");
    if (report.messages > 0) {
      byId("facts").append(" \u00b7 ", figure("span", "messages",
        (n) => plural(n, "message", "messages")));
    }
    const note = (text, css) => byId("notes").append(el("li", { class: css }, text));
    if (report.inline) {
      note("Run with --inline: every closure ran on an event loop, as if there " +
        "were no thread pools.", "plain");
    }
    if (!report.drained) {
      note("Not everything had drained when the time to stop was over; what " +
        "was left is not in these figures.", "bad");
    }
    if (!report.accounted) {
      note(plural(sessions.started - sessions.ended, "session is",
        "sessions are") + " unaccounted for.", "bad");
    }
    if (report.unreadable > 0) {
      note(plural(report.unreadable, "message", "messages") +
        " could not be read.");
    }
    if (data.events_lost > 0) {
      note(plural(data.events_lost, "event was", "events were") +
        " lost, so counts and times of closures are too low.");
    }
  };

  const tiles = () => {
    const tile = (name, value, more) => byId("tiles").append(
      el("div", {}, el("dt", {}, name), fill(value, {}, [el("small", {}, more)])));
    tile("Sessions", figure("dd", "sessions.ended", integer, { class: null }),
      [figure("span", "sessions_per_second", (n) => integer(Math.round(n)),
        { class: null }), " per second"]);
    if (report.session_time.count > 0) {
      tile("Whole session, p99", figure("dd", "session_time.p99_ns", duration),
        ["p50 ", figure("span", "session_time.p50_ns", duration)]);
    }
    const worst = report.loops.reduce((a, b) =>
      b.longest_holdup_ns > a.longest_holdup_ns ? b : a, report.loops[0]);
    if (worst) {
      tile("Longest hold-up of a loop", figure("dd",
        `loops.${report.loops.indexOf(worst)}.longest_holdup_ns`, duration),
        "loop " + worst.index);
    }
    tile("Closures run", el("dd", { "data-sum": "invocations" },
      integer(started)), el("span", { class: failed > 0 ? "bad" : null,
      "data-sum": "failed" }, integer(failed), " failed"));
    const waits = used.filter(({ pool }) => pool.wait.count > 0).sort(
      (a, b) => b.pool.wait.p99_ns - a.pool.wait.p99_ns);
    if (waits.length > 0) {
      tile("Wait for a thread, p99", figure("dd",
        `pools.${waits[0].index}.wait.p99_ns`, duration),
        ["pool ", waits[0].pool.name, ", the longest"]);
    }
  };

  // At most so many intervals, so that a line is not all noise.
  const coarse = (values, most) => {
    const step = Math.max(1, Math.ceil(points.length / most));
    const out = { edges: [], values: [] };
    let from = 0;
    for (let i = 0; i < points.length; i += step) {
      const end = Math.min(points.length, i + step);
      out.edges.push(edges[end - 1]);
      out.values.push(values(i, end, Math.max(1e-9, edges[end - 1] - from)));
      from = edges[end - 1];
    }
    return out;
  };
  const empty = (text) => el("p", { class: "empty" }, text);

  const sessionCharts = () => {
    const rate = coarse((i, end, seconds) => points.slice(i, end)
      .reduce((sum, point) => sum + point.ended, 0) / seconds, 100);
    const peak = Math.max(0, ...rate.values);
    if (sessions.ended > 0 && points.length > 0) {
      byId("sessions-rate").append(...chart("Sessions per second",
        `Sessions that ended, over ${elapsed(report.seconds)}; at most ` +
        `${short(peak)} per second.`, [],
        overTime(rate.edges, [{ kind: "area", color: "blue",
          values: rate.values }], "per second", 0, 268)),
        el("p", { class: "caption" }, "Over the whole run ", figure("span",
          "sessions_per_second", (n) => n.toFixed(1), { class: null }),
          " per second."));
    } else {
      byId("sessions-rate").append(el("h3", {}, "Sessions per second"),
        empty("No session ended."));
    }
    const flight = coarse((i, end) => points.slice(i, end)
      .reduce((sum, p) => sum + p.in_flight[0], 0) / (end - i), 200);
    const most = Math.max(0, ...points.map((p) => p.in_flight[1]));
    if (most > 0) {
      byId("sessions-flight").append(...chart("Sessions in flight",
        `Sessions begun and not ended, over ${elapsed(report.seconds)}; at ` +
        `most ${integer(most)}.`, [],
        overTime(flight.edges, [{ kind: "area", color: "blue",
          values: flight.values }], "sessions")),
        el("p", { class: "caption" }, `At most ${integer(most)} at once.`));
    } else {
      byId("sessions-flight").append(el("h3", {}, "Sessions in flight"),
        empty("None at any time it was looked at."));
    }
  };

  const outcomes = () => {
    const names = ["accepted", "rejected", "tempfailed", "disconnected",
      "discarded", "cancelled", "no_mail"];
    const card = byId("sessions-outcome");
    const rows = names.map((name) => el("tr", { role: "row" },
      rowHead(el("span", { class: "swatch c-" + name, "aria-hidden": "true" }),
        name),
      figure("td", "sessions." + name, integer, cell),
      el("td", cell, sessions.ended > 0
        ? percent(sessions[name] / sessions.ended) : "\u2013")));
    rows.push(el("tr", { role: "row", class: "sum" }, rowHead("all"),
      figure("td", "sessions.ended", integer, { ...cell, class: null }),
      el("td", cell)));
    card.append(el("h3", {}, "How they ended"));
    if (sessions.ended > 0) {
      card.append(el("div", { class: "stack", "aria-hidden": "true" },
        names.filter((name) => sessions[name] > 0).map((name) => {
          const part = el("span", { class: "c-" + name });
          part.style.flexGrow = sessions[name];
          return part;
        })));
    }
    card.append(table(null, columns("outcome", "sessions", "share"), rows));
    if (sessions.errors > 0) {
      card.append(el("p", { class: "caption" }, "Of the tempfailed, ",
        figure("span", "sessions.errors", integer), " by an error."));
    }
  };

  const loops = () => byId("loops").append(table(null,
    columns("loop", "longest hold-up", "timers late, p99", "timers late, max"),
    report.loops.map((loop, i) => el("tr", { role: "row" },
      rowHead("loop\u00a0" + loop.index),
      figure("td", `loops.${i}.longest_holdup_ns`, duration,
        labelled("longest hold-up")),
      figure("td", `loops.${i}.timer_lateness.p99_ns`, duration,
        labelled("timers late, p99")),
      figure("td", `loops.${i}.timer_lateness.max_ns`, duration,
        labelled("max")))), "cards"));

  // A table with a range on a common logarithmic axis beside each row.
  const ranges = (rows) => {
    const low = 10 ** Math.floor(Math.log10(Math.max(100,
      Math.min(...rows.map((row) => row.summary.p50_ns || Infinity)))));
    const high = Math.max(low * 10,
      ...rows.map((row) => row.summary.max_ns)) * 1.05;
    const x = (ns) => Math.min(100, Math.max(0,
      100 * Math.log(Math.max(ns, low) / low) / Math.log(high / low)));
    const place = (ns) => x(ns).toFixed(2) + "%";
    const ticks = decades(low, high);
    const every = Math.ceil(ticks.length / 5);
    const axis = svg("svg", { "aria-hidden": "true" }, ticks.filter(
      (tick, i) => i % every === 0 && x(tick.at) < 95).map((tick) =>
      svg("text", { x: place(tick.at), y: 13, fill: "currentColor",
        "text-anchor": x(tick.at) < 4 ? "start" : "middle",
        "font-size": 12 }, tick.label)));
    const graphic = (s) => el("td", { class: "graphic", "aria-hidden": "true" },
      svg("svg", {}, ticks.map((tick) => svg("line", { class: "grid",
        x1: place(tick.at), x2: place(tick.at), y1: -7, y2: 25 })),
      svg("line", { x1: place(s.p50_ns), x2: place(s.max_ns), y1: 9, y2: 9,
        stroke: "var(--blue)", "stroke-width": 1.5 }),
      svg("line", { x1: place(s.p50_ns), x2: place(s.p99_ns), y1: 9, y2: 9,
        stroke: "var(--blue)", "stroke-width": 6, "stroke-linecap": "round" }),
      svg("circle", { cx: place(s.p50_ns), cy: 9, r: 5, fill: "var(--card)",
        stroke: "var(--blue)", "stroke-width": 2 }),
      svg("line", { x1: place(s.max_ns), x2: place(s.max_ns), y1: 4, y2: 14,
        stroke: "var(--blue)", "stroke-width": 1.5 })));
    return { axis, graphic };
  };

  const phases = () => {
    const rows = Object.keys(report.phases)
      .map((name) => ({ name, base: "phases." + name,
        summary: report.phases[name] }))
      .filter((row) => row.summary.count > 0);
    const whole = { name: "whole session", base: "session_time",
      summary: report.session_time };
    if (rows.length === 0 || whole.summary.count === 0) {
      byId("phases").append(empty("No phase was run."));
      if (rows.length === 0) return;
    }
    if (whole.summary.count > 0) rows.push(whole);
    const { axis, graphic } = ranges(rows);
    byId("phases").append(table(null,
      [...columns("phase", "count", "p50", "p99", "max"),
        { text: axis, css: "graphic" }],
      rows.map((row) => el("tr", { role: "row",
        class: row === whole ? "sum" : null },
        rowHead(breakable(row.name)), quantileCells(row.base),
        graphic(row.summary))), "cards four"),
      el("p", { class: "caption graphic" }, "The bar runs from the median, a ring, to " +
        "p99; the line goes on to the longest."));
    byId("phases").querySelector("th.graphic").setAttribute("aria-label",
      "from p50 to max");
  };

  const pool = ({ pool: p, index }) => {
    const name = "pool-" + index;
    const out = el("article", { class: "pool", "aria-labelledby": name },
      el("h3", { id: name }, p.name, el("small", {},
        figure("span", `pools.${index}.concurrency`,
          (n) => n === 0 ? "on the event loop" : plural(n, "thread", "threads") +
            " at most", { class: null }),
        p.backlog > 0 ? ", backlog " + integer(p.backlog) : "")));
    const gauge = (what, place) => coarse((i, end) => points.slice(i, end)
      .reduce((sum, point) => sum + (point.pools[index]
        ? point.pools[index][what][place] : 0), 0) / (end - i), 200);
    if (points.length > 0) {
      const running = gauge("running", 0), queued = gauge("queued", 0);
      const suspended = gauge("suspended", 0);
      const most = (series) => short(Math.max(0, ...series.values));
      const limit = p.concurrency > 0
        ? [{ kind: "line", color: "limit",
          text: `limit, ${integer(p.concurrency)}` }] : [];
      const busy = el("div", { class: "card" }, ...chart("Closures running",
        `Closures of pool ${p.name} that run, over time; at most ` +
        `${most(running)}, of ${p.concurrency}.`,
        [{ kind: "area", color: "blue", text: "running" }, ...limit],
        overTime(running.edges, [{ kind: "area", color: "blue",
          values: running.values }], "closures", p.concurrency)));
      const waiting = el("div", { class: "card" }, ...chart("Closures waiting",
        `Closures of pool ${p.name} that wait over time: at most ` +
        `${most(queued)} for a thread, ${most(suspended)} suspended.`,
        [{ kind: "area", color: "amber", text: "for a thread" },
         { kind: "line", color: "violet", text: "suspended" }],
        overTime(queued.edges, [
          { kind: "area", color: "amber", values: queued.values },
          { kind: "line", color: "violet", values: suspended.values }],
        "closures")));
      out.append(el("div", { class: "columns" }, busy, waiting));
    }
    const spread = data.distributions[index];
    const bounds = [...spread.wait, ...spread.run].map(([bound]) => bound);
    if (bounds.length > 0) {
      // The first bucket is of all that is shorter.
      const low = Math.min(...bounds) / 2;
      const high = Math.max(low * 10, ...bounds) * 1.02;
      const one = (title, buckets, summary, color) => el("div", { class: "card" },
        buckets.length === 0
          ? [el("h3", {}, title), empty("None.")]
          : chart(title, `Distribution over ${integer(summary.count)} ` +
            `closures: p50 ${duration(summary.p50_ns)}, p99 ` +
            `${duration(summary.p99_ns)}, longest ` +
            `${duration(summary.max_ns)}.`, [],
          distribution(buckets, summary, color, low, high)));
      out.append(el("div", { class: "columns", style: "margin-top:14px" },
        one("Wait for a thread", spread.wait, p.wait, "amber"),
        one("Time from start to end", spread.run, p.run, "blue")));
    }
    const base = `pools.${index}.`;
    const fact = (text, path_, format) => el("div", {}, el("dt", {}, text),
      figure("dd", base + path_, format));
    out.append(el("div", { class: "card" },
      table(null, columns("time", "count", "p50", "p99", "max"), [
        el("tr", { role: "row" }, rowHead("wait for a thread"),
          quantileCells(base + "wait")),
        el("tr", { role: "row" }, rowHead("start to end"),
          quantileCells(base + "run"))], "cards four"),
      el("dl", { class: "figures", style: "margin-top:14px" },
        fact("started", "invocations", integer), fact("done", "done", integer),
        fact("failed", "failed", integer),
        fact("cancelled", "cancelled", integer),
        fact("refused", "refused", integer), fact("parked", "parked", integer),
        fact("mean running", "avg_concurrency", (n) => n.toFixed(2)),
        fact("saturation", "saturation", (n) => (n * 100).toFixed(1) + " %"))));
    return out;
  };
  const pools = () => {
    if (used.length === 0) {
      byId("pools").append(el("div", { class: "card" },
        empty("No closure was given to a pool.")));
    }
    byId("pools").append(...used.map(pool));
    const idle = report.pools.filter((p) => !used.some((u) => u.pool === p));
    if (idle.length > 0 && used.length > 0) {
      byId("pools").append(el("p", { class: "caption" }, "Not used: " +
        idle.map((p) => p.name).join(", ") + "."));
    }
  };

  const closures = () => {
    const card = byId("closures");
    const all = data.closures;
    if (all.length === 0) return card.append(empty("No closure was run."));
    const total = all.reduce((sum, row) => sum + row.total_ns, 0);
    const td = (row, what, text, name) => el("td", { ...labelled(name),
      "data-closure": what,
      class: row[what] === 0 ? "zero" : null }, text);
    const line = (row) => {
      const share = el("span");
      share.style.width = (total > 0 ? 100 * row.total_ns / total : 0) + "%";
      return el("tr", { role: "row" },
        rowHead(el("bdi", { class: "code" },
          breakable(visible(row.closure) || "(unknown)")),
          el("span", { class: "tag" }, row.pool || (row.closure === "(others)"
            ? "all pools" : "another loop")),
          el("div", { class: "share", "aria-hidden": "true" }, share)),
        td(row, "count", integer(row.count), "count"),
        td(row, "failed", row.failed > 0
          ? el("span", { class: "bad" }, integer(row.failed)) : "0", "failed"),
        td(row, "total_ns", duration(row.total_ns), "total"),
        td(row, "p50_ns", duration(row.p50_ns), "p50"),
        td(row, "p99_ns", duration(row.p99_ns), "p99"),
        td(row, "max_ns", duration(row.max_ns), "max"));
    };
    const heads = columns("closure", "count", "failed", "total", "p50", "p99",
      "max");
    const first = 25;
    card.append(table(null, heads, all.slice(0, first).map(line), "cards"));
    if (all.length > first) {
      card.append(el("details", {}, el("summary", {},
        `${integer(all.length - first)} more`),
        table(null, heads, all.slice(first).map(line), "cards")));
    }
  };

  head();
  tiles();
  sessionCharts();
  outcomes();
  loops();
  phases();
  pools();
  closures();
  byId("colophon").textContent = "host-sim " + report.version + ", plugin " +
    report.plugin_version + ". The figures are those of host-sim --json, at " +
    "which man host-sim has more.";

  for (const one of charts) redraw(one);
  new ResizeObserver(() => charts.forEach(redraw)).observe(document.body);
  window.addEventListener("beforeprint", () => charts.forEach(redraw));
})();
