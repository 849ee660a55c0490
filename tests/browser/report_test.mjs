// The page of host-sim --report in a browser: it shows the figures that the JSON
// report of the same run has, in light and dark, on a desk and on a telephone.
//
// usage: report_test.mjs HOST_SIM PLUGIN WORK_DIR
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import test, { after, before } from "node:test";

const [hostSim, plugin, work] = process.argv.slice(2).map((p) => path.resolve(p));
const { chromium } = createRequire(path.join(work, "x.js"))("playwright-core");
const top = path.resolve(import.meta.dirname ??
  path.dirname(new URL(import.meta.url).pathname), "..", "..");

let browser, directory;
before(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "host-sim-browser-"));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM,
    timeout: 120_000,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update",
      "--disable-sync"] });
});
after(async () => {
  await browser?.close();
  fs.rmSync(directory, { recursive: true });
});

// ---- runs ------------------------------------------------------------------

// What a mail server's operator might have, and an attacker would like to.
const hostile = "a'</script><script>window.broken=1</script><!-- \u202e" +
  "x".repeat(90) + ".lua";
const policy = `
local mod, core = {}, msys.core
function mod:validate_data(msg)
  msys.runInPool('IO', function() msys.sleep(0.001) end)
  msys.runInPool('CPU', function() error('on purpose') end, true)
  return core.VALIDATE_CONT
end
function mod:validate_set_binding(msg)
  if msg.id:find('[0-3]$') then msg:discard() end
  return core.VALIDATE_CONT
end
msys.registerModule('hostile', mod)
`;

async function run(name, options, { scripts = [], more = "", stop = false }) {
  const place = path.join(directory, name);
  fs.mkdirSync(place);
  const config = path.join(place, "host.conf");
  fs.writeFileSync(config, `
Plugin "runinpool" { Path = "${plugin}" }
ThreadPool "CPU" { Concurrency = 2 }
EventLoop { Concurrency = 2 }
Lua { Max_States = 4
${scripts.map((s, i) => `Script "s${i}" { Source = "${s}" }`).join("\n")} }
${more}`);
  const page = path.join(place, "report.html");
  const json = path.join(place, "report.json");
  const child = spawn(hostSim, ["--config", config, "--report", page, "--json",
    json, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (text) => {
    log += text;
    if (!stop || !log.includes("smtp on")) return;
    stop = false;  // a second signal would end it at once
    child.kill("SIGTERM");
  });
  const [status] = await once(child, "close");
  assert.equal(status, 0, log);
  return { url: "file://" + page, report: JSON.parse(fs.readFileSync(json)) };
}

const corpus = path.join(top, "host-sim", "corpus");
const runs = {
  "the mixed policy, and one with a hostile name": () => {
    const file = path.join(directory, hostile);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, policy);
    return run("mixed", ["--sessions", "300", corpus],
      { scripts: [path.join(top, "lua/examples/mixed.lua"), file] });
  },
  "one message, inline": () => run("inline",
    ["--inline", path.join(corpus, "plain.eml")],
    { scripts: [path.join(top, "lua/examples/mixed.lua")] }),
  "a server that nobody talked to": () => {
    const file = path.join(directory, "nothing.lua");
    fs.writeFileSync(file, "msys.registerModule('nothing', {})");
    return run("server", [], { scripts: [file], stop: true,
      more: 'Listener "smtp" { Address = "127.0.0.1:0" Maildir = "mail" }' });
  },
};

// ---- what is shown ---------------------------------------------------------

const units = { ns: 1, "\u00b5s": 1e3, ms: 1e6, s: 1e9 };
// "1.23 ms", "4,567", "12.3 %", "2 threads at most": the value, and how much of
// it rounding may have taken.
function shown(text) {
  if (text === "on the event loop") return { value: 0, off: 0 };
  const match = /^([\d,]+)(?:\.(\d+))?(?: (\S+))?/.exec(text);
  assert.ok(match, `"${text}" is no figure`);
  const [, whole, digits, unit] = match;
  const factor = unit === "%" ? 0.01 : units[unit] ?? 1;
  const value = Number(whole.replaceAll(",", "") + "." + (digits ?? "0"));
  return { value: value * factor,
    off: 0.5001 * factor / 10 ** (digits ?? "").length };
}
const at = (report, name) => name.split(".").reduce((o, key) => o[key], report);

function wantedFigures(report) {
  const wanted = ["states", "concurrency", "sessions_per_second",
    "sessions.ended", "sessions.accepted", "sessions.rejected",
    "sessions.tempfailed", "sessions.disconnected", "sessions.discarded",
    "sessions.cancelled", "sessions.no_mail"];
  const quantiles = (base) => {
    if (at(report, base).count === 0) return;
    for (const name of ["count", "p50_ns", "p99_ns", "max_ns"]) {
      wanted.push(base + "." + name);
    }
  };
  quantiles("session_time");
  Object.keys(report.phases).forEach((name) => quantiles("phases." + name));
  report.loops.forEach((loop, i) => wanted.push(`loops.${i}.longest_holdup_ns`,
    `loops.${i}.timer_lateness.p99_ns`, `loops.${i}.timer_lateness.max_ns`));
  report.pools.forEach((pool, i) => {
    if (pool.submitted === 0) return;
    for (const name of ["concurrency", "invocations", "done", "failed",
      "cancelled", "refused", "parked", "avg_concurrency", "saturation"]) {
      wanted.push(`pools.${i}.${name}`);
    }
    quantiles(`pools.${i}.wait`);
    quantiles(`pools.${i}.run`);
  });
  return wanted;
}

async function checkFigures(page, report) {
  const figures = await page.$$eval("[data-figure]", (all) => all.map(
    (one) => [one.dataset.figure, one.firstChild.textContent]));
  const seen = new Set(figures.map(([name]) => name));
  assert.deepEqual(wantedFigures(report).filter((name) => !seen.has(name)), []);
  for (const [name, text] of figures) {
    const { value, off } = shown(text);
    // The tile shows whole sessions a second.
    assert.ok(Math.abs(value - at(report, name)) <= off,
      `${name} is ${at(report, name)}, but the page says "${text}"`);
  }
  const sums = await page.$$eval("[data-sum]", (all) => all.map(
    (one) => [one.dataset.sum, one.firstChild.textContent]));
  for (const [name, text] of sums) {
    assert.equal(shown(text).value, report.pools.reduce(
      (sum, pool) => sum + pool[name], 0), name);
  }
}

async function checkClosures(page, report) {
  const rows = await page.$$eval("#closures tbody tr", (all) => all.map((row) => ({
    name: row.querySelector("bdi").textContent,
    pool: row.querySelector(".tag").textContent,
    count: row.querySelector("[data-closure=count]").textContent,
    failed: row.querySelector("[data-closure=failed]").textContent })));
  for (const pool of report.pools) {
    const own = rows.filter((row) => row.pool === pool.name);
    const sum = (what) => own.reduce((n, row) => n + shown(row[what]).value, 0);
    assert.equal(sum("count"), pool.invocations, pool.name);
    assert.equal(sum("failed"), pool.failed, pool.name);
  }
  for (const row of rows) assert.match(row.name, /\.lua:\d+$/);
  return rows;
}

// In the page: what a reader with poor eyes, or none, would complain of.
function complaints() {
  const found = [];
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) =>
    c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const rgba = (text) => {
    const n = text.match(/[\d.]+/g).map(Number);
    return text.startsWith("color(srgb")
      ? [...n.slice(0, 3).map((c) => c * 255), n[3] ?? 1] : [...n, 1].slice(0, 4);
  };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reduceRight((below, [r, g, b, a]) =>
      [r, g, b].map((c, i) => c * a + below[i] * (1 - a)), [255, 255, 255]);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (texts.currentNode.textContent.trim() === "" ||
        element.closest("script, title, desc, noscript")) continue;
    const style = getComputedStyle(element);
    const color = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(color), luminance(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) {
      found.push(`contrast ${contrast.toFixed(2)}: ` +
        texts.currentNode.textContent.slice(0, 30));
    }
  }
  for (const image of document.querySelectorAll("svg")) {
    if (image.closest("[aria-hidden]")) continue;
    const name = image.querySelector("title")?.textContent;
    if (!name || !image.querySelector("desc")?.textContent) {
      if (!image.closest("th")) found.push("an image without a description");
    }
  }
  for (const path of document.querySelectorAll("svg *")) {
    for (const { name, value } of path.attributes) {
      if (/NaN|undefined|Infinity/.test(value)) found.push(`${name}="${value}"`);
    }
  }
  for (const head of document.querySelectorAll("th")) {
    if (!head.scope) found.push("a heading of no scope: " + head.textContent);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")]
    .map((h) => Number(h.tagName[1]));
  levels.forEach((level, i) => {
    if (level > (levels[i - 1] ?? 0) + 1) found.push(`h${level} has no parent`);
  });
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) found.push("an id is used twice");
  if (document.body.innerText.match(/\b(null|undefined|NaN)\b/)) {
    found.push("null, undefined or NaN is shown");
  }
  return found;
}

// In the page: what sticks out to the side.
function overflows() {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) {
    found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  }
  for (const card of document.querySelectorAll(".card, .tiles > div")) {
    const edge = card.getBoundingClientRect().right;
    for (const inside of card.querySelectorAll("*")) {
      const box = inside.getBoundingClientRect();
      if (box.width > 1 && box.right > edge + 0.5) {
        found.push(`${inside.tagName} ${inside.textContent.slice(0, 30)}`);
      }
    }
  }
  return found;
}

const whiteness = (page) => page.evaluate(() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor
    .match(/\d+/g).map(Number);
  return (r + g + b) / 765;
});

async function open(url, width, colorScheme) {
  const context = await browser.newContext(
    { viewport: { width, height: 900 }, colorScheme });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const heard = [];
  page.on("console", (message) => heard.push("console: " + message.text()));
  page.on("pageerror", (error) => heard.push("error: " + error));
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) {
      heard.push("request: " + request.url());
    }
  });
  await page.goto(url);
  return { page, heard, close: () => context.close() };
}

for (const [name, make] of Object.entries(runs)) {
  test(name, async (t) => {
    const { url, report } = await make();
    for (const scheme of ["light", "dark"]) {
      for (const width of [1200, 390]) {
        await t.test(`${scheme}, ${width} px`, async () => {
          const { page, heard, close } = await open(url, width, scheme);
          await checkFigures(page, report);
          const rows = await checkClosures(page, report);
          if (name.includes("hostile")) {
            const seen = hostile.replace("\u202e", "\\u202e");
            assert.ok(rows.some((row) => row.name.includes(seen)));
            assert.equal(await page.evaluate("window.broken"), undefined);
          }
          assert.deepEqual(await page.evaluate(complaints), []);
          assert.deepEqual(await page.evaluate(overflows), []);
          const white = await whiteness(page);
          assert.ok(scheme === "light" ? white > 0.9 : white < 0.15, `${white}`);
          await page.emulateMedia({ media: "print" });
          assert.equal(await whiteness(page), 1);
          assert.deepEqual(heard, []);
          await close();
        });
      }
    }
  });
}

test("charts fit the window when it changes", async () => {
  const { url } = await run("again", ["--sessions", "50", corpus],
    { scripts: [path.join(top, "lua/examples/mixed.lua")] });
  const { page, heard, close } = await open(url, 1200, "light");
  const widths = () => page.$$eval(".plot", (all) => all.map((plot) =>
    [Math.floor(plot.clientWidth),
      Number(plot.firstChild.getAttribute("width"))]));
  for (const width of [390, 1000]) {
    await page.setViewportSize({ width, height: 900 });
    await page.waitForFunction(() => [...document.querySelectorAll(".plot")]
      .every((plot) => Math.floor(plot.clientWidth) ===
        Number(plot.firstChild.getAttribute("width"))));
    assert.ok((await widths()).length >= 6);
  }
  assert.deepEqual(heard, []);
  await close();
});
