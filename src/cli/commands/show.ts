import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** Prints all that is known of an event, artifact or reference. */
export async function show(context: Context, what: string): Promise<number> {
  await printAll(context, ask(context, 'show', { what }), (record) => {
    if (record.kind === 'event') {
      print(`event      ${String(record['log'])}/${String(record['index'])}`)
      print(`author     ${printable(String(record['author']))}`)
      if (record['verdict'] !== 'relay') print(`verdict    ${String(record['verdict'])}`)
      for (const line of JSON.stringify(record['event'], null, 2).split('\n')) print(printable(line))
    } else if (record.kind === 'artifact') {
      print(`artifact   ${String(record['digest'])}  ${printable(String(record['artifactType'] ?? ''))}`)
      for (const layer of record['layers'] as readonly {
        readonly digest: string
        readonly size: number
        readonly mediaType: string
      }[])
        print(`  layer    ${layer.digest}  ${layer.size}  ${printable(layer.mediaType)}`)
      for (const { image, digest } of (record['images'] ?? []) as readonly { readonly image: string; readonly digest: string }[])
        print(`  image    ${printable(image)}  ${digest}`)
      if (record['complete'] !== true) print(`  missing  ${String(record['missing'])} blobs`)
      for (const warning of record['warnings'] as readonly string[]) print(`  warning  ${printable(warning)}`)
    } else print(`referrer   ${String(record['digest'])}  ${String(record['type'])}  ${printable(String(record['author']))}`)
  })
  return 0
}
