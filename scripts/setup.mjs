// Installs the exact dependencies of package-lock.json when they are missing or out of date. Plain JavaScript on
// purpose: it is the only file that runs on whatever Node the machine has, before ours is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const stamp = join(root, 'node_modules', '.millrace-lock')

const installed = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash
if (!installed()) {
  const unlock = await lock(join(root, '.millrace-setup'))
  try {
    if (!installed()) install() // else another script has just done it
  } finally {
    unlock()
  }
}

function install() {
  console.error('millrace: installing dependencies (once)')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const { status } = spawnSync(npm, ['ci', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) {
    console.error('millrace: npm ci failed (see above); is the npm registry reachable?')
    process.exitCode = 1
    return
  }
  writeFileSync(stamp, lockHash)
}

/** Two installations at once would ruin each other's. A lock whose process is gone is taken over. */
async function lock(dir) {
  for (;;) {
    try {
      mkdirSync(dir)
      writeFileSync(join(dir, 'pid'), String(process.pid))
      return () => rmSync(dir, { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (isAbandoned(dir)) rmSync(dir, { recursive: true, force: true })
    else await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function isAbandoned(dir) {
  try {
    process.kill(Number(readFileSync(join(dir, 'pid'), 'utf8')), 0)
    return false
  } catch (error) {
    if (error.code === 'ESRCH') return true
    // being made or removed just now, unless it stays like that
    return error.code === 'ENOENT' && existsSync(dir) && Date.now() - statSync(dir).mtimeMs > 10_000
  }
}
