// Open pages in headless Chromium as a phone and a desktop would, light and dark, and as they are printed; what axe-core
// finds, as JSON.
//   node report_page.mjs FOLDER NAME PAGE [NAME PAGE ...]
// playwright-core and axe-core are found in node_modules of the working folder.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PAPER = 718; // pixels between the margins of an A4 page
const require = createRequire(join(process.cwd(), "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [folder, ...named] = process.argv.slice(2);
const still = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const alone = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...still, ...alone] });
const found = [];

// A page, opened; `act` looks at it and says what it found. The page is one file: it may ask for nothing else, of this
// disk or another.
async function look(name, page, width, colorScheme, act) {
  const address = pathToFileURL(page).href;
  const view = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const errors = [], requests = [];
  view.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  view.on("pageerror", (error) => errors.push(String(error)));
  view.on("request", (request) => request.url() === address || requests.push(request.url()));
  await view.goto(address);
  const more = await act(view);
  const overflow = await view.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  found.push({ name, width, colorScheme, errors, requests, overflow, ...more });
  await view.close();
}

async function onScreen(view) {
  await view.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  await view.locator("table.sortable th button").first().click();
  await view.evaluate(axe);
  const { violations } = await view.evaluate(() => window.axe.run());
  return { rules: violations.map((each) => `${each.id}: ${each.nodes.length} x ${each.help}`), closed: 0 };
}

// The browser says that it will print before it does; a page that only looks printed has to be told.
async function onPaper(view) {
  await view.emulateMedia({ media: "print" });
  await view.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
  const closed = await view.evaluate(() => document.querySelectorAll("details:not([open])").length);
  return { rules: [], closed };
}

for (let at = 0; at < named.length; at += 2) {
  const [name, page] = named.slice(at, at + 2);
  const shot = (kind) => ({ path: join(folder, `${name}-${kind}.png`), fullPage: true });
  for (const width of [1400, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      await look(name, page, width, colorScheme, async (view) => {
        const seen = await onScreen(view);
        await view.screenshot(shot(`${width}-${colorScheme}`));
        return seen;
      });
    }
  }
  await look(name, page, PAPER, "light", async (view) => {
    const seen = await onPaper(view);
    await view.screenshot(shot("print"));
    return seen;
  });
}
await browser.close();
console.log(JSON.stringify(found));
