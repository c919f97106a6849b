// Runs the SQL of docs/fleet.md on ClickHouse and DuckDB, in process, and fails where a statement does, where a question has
// no answer, or where the two answer the first one differently from what the lines add up to. `make archives` calls it:
//
//	node run.mjs docs/fleet.md FILE.jsonl
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { Session } from 'chdb';

const [page, file] = process.argv.slice(2).map((name) => readFileSync(name, 'utf8'));

// statements are those of a section's sql blocks, each with the comment before it.
function statements(engine) {
  const section = page.split(`\n### ${engine}\n`)[1].split(/\n##+ /)[0];
  const blocks = [...section.matchAll(/```sql\n(.*?)```/gs)].map((m) => m[1]);
  return blocks.join('\n').split(/;\s*\n/).map((s) => s.trim()).filter((s) => s !== '');
}

// named is what the page's sed makes of the lines: each says which host it is of.
const script = page.match(/^sed '(.*)' events\.jsonl/m)[1];
const named = execFileSync('sed', [script], { input: file, encoding: 'utf8', maxBuffer: 1 << 28 });

// traffic is the answer to the first question, added up here.
function traffic() {
  const sums = {};
  for (const line of file.trim().split('\n').map((l) => JSON.parse(l))) {
    if (line.type === 'record') {
      const sum = (sums[`${line.comm} ${line.dir}`] ??= { records: 0, bytes: 0 });
      sum.records++;
      sum.bytes += line.len;
    }
  }
  return sums;
}

function check(engine, rows) {
  const want = JSON.stringify(Object.entries(traffic()).sort());
  const got = JSON.stringify(rows.map((r) => [`${r.comm} ${r.dir}`, { records: Number(r.records), bytes: Number(r.bytes) }]).sort());
  if (got !== want) throw new Error(`${engine} counts ${got}, and there are ${want}`);
}

// run asks one engine everything; query returns rows, and fill comes when there is a table.
async function run(engine, query, fill) {
  let questions = 0;
  for (const [i, statement] of statements(engine).entries()) {
    const rows = await query(statement);
    if (i === 0) await fill();
    if (!statement.startsWith('--') || statement.includes('COPY')) continue;
    if (rows.length === 0) throw new Error(`${engine} has no answer to ${statement}`);
    if (questions++ === 0) check(engine, rows);
    const other = await query(`SELECT count(*) AS n FROM ${engine === 'DuckDB' ? 'events' : 'ktls'} WHERE type <> 'host' AND (host IS NULL OR host = '')`);
    if (Number(other[0].n) !== 0) throw new Error(`${engine} has ${other[0].n} lines without a host`);
    console.log(`${engine}: ${statement.split('\n')[0]} ${rows.length} rows, first ${JSON.stringify(rows[0])}`);
  }
  if (questions !== 6) throw new Error(`${questions} questions to ${engine}`);
}

const dir = mkdtempSync(join(tmpdir(), 'archives-'));
process.chdir(dir);
writeFileSync('web1.jsonl', file); // DuckDB takes the host of it

const duck = await (await DuckDBInstance.create(':memory:')).connect();
await run('DuckDB', async (sql) => (await duck.runAndReadAll(sql)).getRowObjectsJson(), async () => {});

const click = new Session(join(dir, 'clickhouse'));
const rowsOf = (text) => text.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l));
await run('ClickHouse', async (sql) => rowsOf(click.query(sql, 'JSONEachRow')), async () => {
  click.query("SET date_time_input_format = 'best_effort'", 'Null');
  click.query(`INSERT INTO ktls FORMAT JSONEachRow ${named}`, 'Null');
});
click.cleanup();
