// Open a page in headless Chromium as a phone and a desktop would, light and dark; what axe-core finds, as JSON.
//   node report_page.mjs PAGE FOLDER   (playwright-core and axe-core are found in node_modules of the working folder)
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [page, folder] = process.argv.slice(2);
const address = pathToFileURL(page).href; // the page is one file: it may ask for nothing else, of this disk or another
const still = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const alone = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...still, ...alone] });
const found = [];
for (const width of [1400, 390]) {
  for (const colorScheme of ["light", "dark"]) {
    const view = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const errors = [], requests = [];
    view.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    view.on("pageerror", (error) => errors.push(String(error)));
    view.on("request", (request) => request.url() === address || requests.push(request.url()));
    await view.goto(address);
    await view.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
    await view.locator("table.sortable th button").first().click();
    await view.evaluate(axe);
    const { violations } = await view.evaluate(() => window.axe.run());
    const overflow = await view.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    await view.screenshot({ path: join(folder, `page-${width}-${colorScheme}.png`), fullPage: true });
    const rules = violations.map((each) => `${each.id}: ${each.nodes.length} x ${each.help}`);
    found.push({ width, colorScheme, errors, requests, rules, overflow });
    await view.close();
  }
}
await browser.close();
console.log(JSON.stringify(found));
