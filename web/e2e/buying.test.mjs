// A large directory and the ways an order may end, for somebody who has not
// bought yet (rows 2.3.b, 2.6.1, 2.6.2). What goes well is in certificates.test.mjs.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { open, sandbox, until } from './world.mjs'
import * as person from './person.mjs'
import { proper } from './screens.mjs'

const PLATFORM = 'D1100009001'
let world, phone, page, who
before(async () => {
  world = await open()
  phone = await world.phone()
  page = phone.page
  who = person.somebody({ name: '测试戊' })
  await person.signIn(world, phone, who)
  await page.getByText('三步开通手机证书').waitFor()
  await page.getByText('已为您注册').waitFor({ state: 'detached' })
  await phone.shot('2.3.a-home-new')
  await person.verify(world, phone, who)
})
after(() => world.close())

const link = (name) => page.getByRole('link', { name })
const button = (name) => page.getByRole('button', { name })

/** An order that waits for its payment; gives its address. */
async function order() {
  await page.goto(`/buy/${PLATFORM}`)
  await button('提交订单').click()
  await page.waitForURL(/\/orders\//)
  return page.url()
}

/** Opens the counter of the order that the page shows; gives the counter's address. */
async function counter() {
  await button(/去支付|继续支付/).click()
  await page.waitForURL(/\/sandbox\/pay\//)
  return page.url()
}

/** What the phone is told about the order that it opens at this address. */
async function told(address) {
  const id = address.split('/').pop()
  const [answer] = await Promise.all([page.waitForResponse((r) => r.url().endsWith(`/app/v1/orders/${id}`) && r.ok()), page.goto(address)])
  return answer.json()
}

test('2.3.b the bar at the foot leads to its three pages and says where one is', async () => {
  await page.goto('/')
  for (const [name, path, heading] of [['平台', '/platforms', '交易平台'], ['我的', '/me', who.name], ['首页', '/', who.name]]) {
    const tab = page.getByRole('navigation', { name: '主导航' }).getByRole('link', { name, exact: true })
    await tab.click()
    await page.waitForURL((u) => u.pathname === path)
    await page.getByText(heading).first().waitFor()
    assert.equal(await tab.getAttribute('aria-current'), 'page')
    assert.equal(await page.locator('[aria-current=page]').count(), 1)
  }
  // Inside a task the bar is gone: there is one way on and one back.
  await page.goto(`/buy/${PLATFORM}`)
  await button('返回').waitFor()
  assert.equal(await page.getByRole('navigation', { name: '主导航' }).count(), 0)
})

const provinces = ['广东', '江苏', '浙江', '四川', '新疆']
const many = Number(process.env.TWT_PLATFORMS ?? 400)

/** Registers platforms at the sandbox's door, most of them in the first province. */
async function seed() {
  const point = () => Buffer.from(generateKeyPairSync('ec', { namedCurve: 'SM2' }).publicKey.export({ type: 'spki', format: 'der' })).subarray(-65).toString('base64')
  let next = 0
  const work = async () => {
    for (let n = next++; n < many; n = next++) {
      const region = provinces[n % 10 < 6 ? 0 : (n % 10) - 5]
      const res = await fetch(`${sandbox}/sandbox/platforms`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          code: `D44${String(n).padStart(8, '0')}`, name: `${region}测试平台${String(n).padStart(4, '0')}号`, region, host: `p${n}.example`, callbackBase: '', signKey: point(), encKey: point(),
        }),
      })
      assert.equal(res.status, 200, await res.text())
    }
  }
  await Promise.all([work(), work(), work(), work()])
}

test(`2.6.1 a directory of ${many} platforms: provinces, the index, scrolling, one found among them`, async () => {
  await seed()
  await page.goto('/platforms')
  await page.getByRole('heading', { name: /广东/ }).waitFor()
  const mine = Math.ceil(many / 10) * 6
  await page.getByRole('heading', { name: `广东 ${mine} 个` }).waitFor()
  await proper(phone, 'large directory')
  await phone.shot('2.6.1-platforms')

  const index = page.getByRole('navigation', { name: '省份索引' })
  assert.equal(await index.getByRole('button').count(), provinces.length + 1)
  await index.getByRole('button', { name: '四川' }).click()
  const region = page.getByRole('region', { name: '四川' })
  await region.getByRole('link').first().waitFor()
  await until(() => region.evaluate((e) => e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().top < innerHeight / 2), '四川 at the top')
  await until(async () => (await index.locator('[aria-current]').getAttribute('data-region')) === '四川', 'the index marks 四川')

  // Only what is near is read, page by page, and all of it in the end.
  await index.getByRole('button', { name: '广东' }).click()
  const rows = page.getByRole('region', { name: '广东' }).getByRole('link')
  await until(async () => (await rows.count()) >= 50, 'the first page')
  assert.ok((await rows.count()) < mine, 'not all at once')
  await until(async () => {
    await rows.last().scrollIntoViewIfNeeded()
    await page.getByRole('region', { name: '广东' }).evaluate((e) => e.scrollIntoView({ block: 'end' }))
    return (await rows.count()) === mine
  }, `all ${mine} of 广东`, { timeout: 60_000, every: 100 })
  const names = await rows.locator('.t-item').allInnerTexts()
  assert.equal(new Set(names).size, mine, 'each once')

  const search = page.getByRole('searchbox', { name: '搜索交易平台名称' })
  await page.evaluate(() => scrollTo(0, 0))
  await search.fill('平台0123号')
  await page.getByText('找到 1 个平台').waitFor()
  await link(/测试平台0123号/).click()
  await page.getByRole('heading', { name: /测试平台0123号/ }).waitFor()
  await page.goBack()
  await search.waitFor()
  assert.equal(await search.inputValue(), '平台0123号', 'coming back finds the search again')
  await search.fill('测试平台')
  await page.getByText('找到 50 个以上平台').waitFor()
  await search.fill('%')
  await page.getByText('没有找到平台？').first().waitFor()
})

test('2.6.1 a wish that cannot be followed is told at its field, and keeps what was typed', async () => {
  await page.goto('/wish')
  await page.getByLabel('平台名称').fill('某')
  await page.getByLabel(/网址/).fill('不是网址')
  await button('提交').click()
  await page.getByText('请填写平台的完整名称').waitFor()
  await page.getByText('网址不正确，例如 www.example.cn').waitFor()
  await proper(phone, 'wish refused')
  await page.reload()
  assert.equal(await page.getByLabel(/网址/).inputValue(), '不是网址')
})

test('2.6.2 each term has its price, and the order keeps what was shown', async () => {
  await page.goto(`/buy/${PLATFORM}`)
  for (const [years, total, less] of [[1, '¥200.00', ''], [2, '¥360.00', '¥40.00'], [3, '¥480.00', '¥120.00']]) {
    await page.getByRole('radio', { name: `${years} 年` }).check()
    await page.locator('.sum', { hasText: total }).waitFor()
    assert.equal(await page.getByText('多年优惠').count(), less ? 1 : 0)
    if (less) await page.getByText(new RegExp(`[-−]\\s*${less}`)).waitFor()
  }
  await page.getByText('证书签发前可全额退款').waitFor()
  await phone.shot('2.6.2-checkout', { full: true })
  await page.getByRole('radio', { name: '3 年' }).check()
  await button('提交订单').click()
  await page.waitForURL(/\/orders\//)
  await page.getByText('¥480.00').first().waitFor()
  await phone.shot('2.6.2-order')
  const o = await told(page.url())
  assert.deepEqual([o.totalFen, o.state, o.lines[0].years], [48000, 'unpaid', 3])
})

test('2.6.2 an order that nobody pays ends after 30 minutes; money that comes later goes back', async () => {
  await world.advance({ seconds: 100 }) // the phone's clock is slow, and no request is refused for it
  const at = await order()
  let shown
  await until(async () => {
    shown = await page.locator('main .num', { hasText: /^\d+:\d\d/ }).first().innerText()
    const [, minutes, seconds] = /(\d+):(\d\d)/.exec(shown)
    return minutes * 60 + Number(seconds) <= 30 * 60
  }, 'at most 30:00', { timeout: 3000 }).catch((e) => assert.fail(`${e.message}: ${shown}`))
  const pay = await counter()
  await page.goto(at)
  await page.getByText('等待支付', { exact: true }).waitFor()
  await world.advance({ minutes: 31 })
  await page.reload()
  await page.getByText('超过支付时间，订单已自动取消').waitFor()
  await proper(phone, 'expired order')
  await phone.shot('2.6.2-expired')
  assert.equal((await told(at)).state, 'cancelled')
  await world.pay(pay, 'late')
  await page.reload()
  await page.getByText('您的付款在订单取消之后到账').waitFor()
  assert.equal((await told(at)).state, 'cancelled')
  await link('重新办理').click()
  await page.waitForURL(/\/buy\//)
  await button('提交订单').waitFor()
})

test('2.6.2 a payment whose notice is lost is found all the same', async () => {
  const at = await order()
  const pay = await counter()
  await world.pay(pay, 'silent')
  await page.goto(at)
  await page.getByText('正在等待支付结果').waitFor()
  assert.equal((await told(at)).state, 'unpaid')
  await proper(phone, 'waiting for the notice')
  await phone.shot('2.6.2-waiting')
  await world.advance({ seconds: 95 })
  await page.getByText('支付成功').waitFor({ timeout: 30_000 })
  assert.equal((await told(at)).state, 'paid')
  await link('立即安装').waitFor()
  await link('稍后安装，已加入待办').click()
  await page.getByText(/安装到本机|完成证书安装|安装证书/).first().waitFor()
})

test('2.6.2 paying twice over is charged once, and the second goes back', async () => {
  const at = await order()
  const pay = await counter()
  await world.pay(pay, 'pay-twice')
  const o = await told(at)
  await page.getByText('支付成功').waitFor()
  assert.equal(o.state, 'paid')
  assert.equal(o.payments.filter((p) => p.state === 'settled').length, 1)
  assert.equal(o.lines.length, 1)
  await phone.shot('2.6.2-paid')
  await page.goto('/certificates?state=pending')
  assert.equal(await until(async () => (await link('下载安装').count()) || undefined, 'what was bought'), 2)
})

test('2.6.2 an order of somebody else, or none at all, is not shown', async () => {
  const other = await world.phone()
  const stranger = person.somebody({ name: '测试己' })
  const at = await order()
  await person.signIn(world, other, stranger)
  for (const address of [at, new URL('/orders/unknown', at).href]) {
    await other.page.goto(address)
    await other.page.getByRole('button', { name: '返回' }).waitFor()
    await other.page.getByRole('alert').or(other.page.getByText(/不存在|没有找到|找不到/)).first().waitFor()
    assert.doesNotMatch(await other.page.locator('main').innerText(), /¥|测试戊/)
  }
  await other.accessible('an order that is not there')
  await other.shot('2.6.2-no-order')
  await other.page.goto(`/buy/${PLATFORM}`)
  await other.page.getByRole('link', { name: '去实名认证' }).click()
  await other.page.waitForURL(/\/realname\?to=/)
  await other.page.getByLabel('姓名').waitFor()
})

test('2.6.2 a browser that cannot keep keys is told before anything is paid', async () => {
  const at = await order()
  const ways = {
    '浏览器不允许本网站保存数据': () => {
      // What the page keeps is refused, as in a private window; reading goes on.
      const put = IDBObjectStore.prototype.put
      IDBObjectStore.prototype.put = function (value, key) {
        if (key === 'probe') throw new DOMException('refused', 'InvalidStateError')
        return put.call(this, value, key)
      }
    },
    '浏览器不能安全地保存密钥': () => {
      const put = IDBObjectStore.prototype.put
      IDBObjectStore.prototype.put = function (value, key) {
        if (key === 'probe' && value instanceof CryptoKey) throw new DOMException('no clone', 'DataCloneError')
        return put.call(this, value, key)
      }
    },
    '手机存储空间不足': () => {
      const put = IDBObjectStore.prototype.put
      IDBObjectStore.prototype.put = function (value, key) {
        if (key === 'probe') throw new DOMException('full', 'QuotaExceededError')
        return put.call(this, value, key)
      }
    },
  }
  for (const [words, way] of Object.entries(ways)) {
    const tab = await phone.context.newPage()
    await tab.addInitScript(way)
    await tab.goto(`/buy/${PLATFORM}`)
    await tab.getByRole('alert').getByText(words).waitFor()
    assert.ok(await tab.getByRole('button', { name: '本浏览器不能办理' }).isDisabled())
    await tab.goto(at)
    await tab.getByRole('alert').getByText(words).waitFor()
    assert.ok(await tab.getByRole('button', { name: /去支付|继续支付/ }).isDisabled())
    await tab.getByRole('button', { name: '重新检测' }).click()
    await tab.getByRole('alert').getByText(words).waitFor()
    await tab.close()
  }
})

test('2.6.2 a browser without any storage says so at the door', async () => {
  const closed = await world.phone()
  await closed.page.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('denied', 'SecurityError')
    }
  })
  closed.expect(/SecurityError|denied/)
  await closed.page.goto('/login')
  await closed.page.getByText('这个浏览器不能保管证书密钥').waitFor()
  await closed.page.getByRole('link', { name: /用户协议/ }).waitFor()
  assert.equal(await closed.page.getByText('连接不上服务器').count(), 0)
  await proper(closed, 'login without storage')
  await closed.page.evaluate(() => document.activeElement?.blur())
  await closed.shot('2.6.2-no-storage')
  const somebody = person.somebody()
  await closed.page.getByLabel('手机号').fill(somebody.phone)
  await closed.page.getByRole('button', { name: '获取验证码' }).click()
  await closed.page.getByLabel('短信验证码').fill(await world.lastCode(somebody.phone))
  await closed.page.getByRole('checkbox').first().check()
  await closed.page.getByRole('button', { name: '登录', exact: true }).click()
  await closed.page.getByText('本机无法保存数据').waitFor()
})

test('2.3 without a network the page says so, keeps what it shows, and its actions wait', async () => {
  const at = await order()
  const pay = button(/去支付|继续支付/)
  await until(() => pay.isEnabled(), 'the payment')
  await phone.context.setOffline(true)
  try {
    await page.getByText('当前无网络，仅可查看已加载的内容').waitFor()
    assert.ok(await pay.isDisabled())
    assert.ok(await button('取消订单').isDisabled())
    await page.getByText('¥').first().waitFor()
    await proper(phone, 'offline')
    await phone.shot('2.3-offline')
  } finally {
    await phone.context.setOffline(false)
  }
  await page.getByText('当前无网络').waitFor({ state: 'detached' })
  await until(() => pay.isEnabled(), 'the payment again')
  assert.equal(page.url(), at)
  phone.expect(/ERR_INTERNET_DISCONNECTED/)
})
