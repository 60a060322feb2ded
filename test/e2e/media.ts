import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'

/** The file systems that sticks have, and a small disk that fills up. */
export type MediumKind = 'fat32' | 'exfat' | 'tmpfs'

const tries = 200
const tryMs = 25

/**
 * A medium of a test: an image with a real FAT32 or exFAT file system in user space, or a tmpfs of a size. A yank kills the driver, so that
 * what it had not written is lost, as with a stick that is pulled out.
 */
export class Medium implements AsyncDisposable {
  readonly kind: MediumKind
  /** where it is mounted */
  readonly path: string
  private readonly image: string
  private readonly sizeBytes: number
  private loop: string | undefined
  private driver: ChildProcess | undefined

  private constructor(kind: MediumKind, path: string, sizeBytes: number) {
    this.kind = kind
    this.path = path
    this.image = `${path}.img`
    this.sizeBytes = sizeBytes
  }

  /** Makes an empty medium and mounts it. @param path of a folder that is made; the image lies beside it */
  static async make(kind: MediumKind, path: string, sizeBytes: number): Promise<Medium> {
    mkdirSync(path)
    const medium = new Medium(kind, path, sizeBytes)
    if (kind !== 'tmpfs') {
      writeFileSync(medium.image, '')
      truncateSync(medium.image, sizeBytes)
      run(kind === 'fat32' ? ['mkfs.vfat', '-F', '32', medium.image] : ['mkfs.exfat', medium.image])
    }
    await medium.mount()
    return medium
  }

  /** Puts it in. @param readOnly as with a lock slider, or a DVD */
  async mount({ readOnly = false }: { readonly readOnly?: boolean } = {}): Promise<void> {
    const { kind, path, image, sizeBytes } = this
    if (kind === 'tmpfs') {
      run(['mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'none', path])
      return
    }
    // -s: its seven threads share one file and its position (strace: lseek, then write), so that two calls at once damage its table
    if (kind === 'fat32') this.driver = this.start('fusefat', ['-f', '-s', '-o', readOnly ? 'ro' : 'rw+', image, path])
    else {
      this.loop = run(['losetup', '-f', '--show', image]).trim()
      this.driver = this.start('mount.exfat-fuse', ['-d', ...(readOnly ? ['-o', 'ro'] : []), this.loop, path])
    }
    for (let count = 0; !isMounted(path); count++) {
      if (count === tries || this.driver.exitCode !== null) throw new Error(`${kind} does not mount at ${path}`)
      await new Promise((resolve) => setTimeout(resolve, tryMs))
    }
  }

  private start(command: string, args: readonly string[]): ChildProcess {
    return spawn(command, args, { stdio: 'ignore' })
  }

  /** Pulls it out with no warning. Whoever writes to it sees the driver gone; mountAgain() puts it back in. */
  async yank(): Promise<void> {
    const { driver } = this
    if (driver === undefined) throw new Error(`bug: a ${this.kind} that is not mounted, or has no driver, cannot be yanked`)
    const gone = once(driver, 'exit')
    driver.kill('SIGKILL')
    await gone
    this.driver = undefined
  }

  /** Puts it in again after a yank, repaired as the system of a desktop does it. */
  async mountAgain(): Promise<void> {
    this.release()
    // both checkers end with 1 after a repair
    run([this.kind === 'fat32' ? 'fsck.vfat' : 'fsck.exfat', this.kind === 'fat32' ? '-a' : '-y', this.image], [0, 1])
    await this.mount()
  }

  /** Takes it out properly. */
  async unmount(): Promise<void> {
    const { driver, path } = this
    this.driver = undefined
    if (isMounted(path)) run(['umount', path])
    if (driver !== undefined && driver.exitCode === null && driver.signalCode === null) await once(driver, 'exit')
    this.release()
  }

  private release(): void {
    if (isMounted(this.path)) run(['umount', '-l', this.path])
    if (this.loop !== undefined) run(['losetup', '-d', this.loop])
    this.loop = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { driver } = this
    if (driver !== undefined && driver.exitCode === null && driver.signalCode === null) await this.yank()
    this.release()
  }
}

function run(command: readonly string[], good: readonly number[] = [0]): string {
  try {
    return execFileSync(command[0] as string, command.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (cause) {
    const { status, stdout, stderr } = cause as { status: number | null; stdout?: string; stderr?: string }
    if (status !== null && good.includes(status)) return stdout ?? ''
    throw new Error(`${command.join(' ')} failed (${status}): ${stderr ?? ''}${stdout ?? ''}; .ci/run installs what it needs`, {
      cause
    })
  }
}

function isMounted(path: string): boolean {
  if (!existsSync('/proc/mounts')) throw new Error('these tests need Linux')
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === path)
}
