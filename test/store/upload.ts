// A process that is in the middle of a large upload until it is killed. Prints one line when parts are on their way.
// Usage: node upload.ts PLACE_AS_JSON NAME
import { type BucketPlace, openBucket } from '#store/bucket.ts'

const [, , place = '', name = ''] = process.argv

async function* endless() {
  for (let megabytes = 0; ; megabytes++) {
    yield new Uint8Array(1024 * 1024)
    // Two parts of 8 MiB were taken from us by then: the first was begun to be sent.
    if (megabytes === 24) {
      console.log('under way')
      await new Promise(resolve => setTimeout(resolve, 1e8))
    }
  }
}

await openBucket(JSON.parse(place) as BucketPlace).write(name, endless())
