// The sidebar: agentConfig first, then the customer in the chat, then card, draft, check and send.
(function () {
  'use strict';
  const at = (id) => document.getElementById(id);
  const say = (text) => { at('state').textContent = text; };
  let customer = '';
  let answering = null;
  let timer = 0;

  async function call(path, body) {
    const options = body === undefined ? {} : {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    };
    const response = await fetch('/wecom/sidebar' + path, options);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok && response.status !== 409) throw new Error(answer.detail || '请求没有成功，请重新打开侧边栏。');
    return { ok: response.ok, answer };
  }

  function list(place, items, make) {
    place.replaceChildren(...items.map((item) => {
      const line = document.createElement('li');
      make(line, item);
      return line;
    }));
  }

  async function configure() {
    const { answer: c } = await call('/config?url=' + encodeURIComponent(location.href.split('#')[0]));
    await new Promise((done, fail) => {
      window.wx.agentConfig({
        corpid: c.corp, agentid: c.agent, timestamp: c.timestamp, nonceStr: c.nonceStr, signature: c.agent_config,
        jsApiList: ['getContext', 'getCurExternalContact', 'sendChatMessage'], success: done,
        fail: () => fail(new Error('企业微信没有授权这个页面，请管理员检查应用的可信域名。')),
      });
    });
  }

  function invoke(name, body) {
    return new Promise((done, fail) => {
      window.wx.invoke(name, body || {}, (answer) => {
        if (answer.err_msg === name + ':ok') done(answer);
        else fail(new Error('企业微信没有完成这一步（' + answer.err_msg + '）。'));
      });
    });
  }

  function showCard(card) {
    const c = card.customer;
    const facts = [];
    if (!c) facts.push(['客户资料未关联，按未测评处理', true]);
    else {
      facts.push([c.risk_class ? '风险等级 ' + c.risk_class : '未做风险测评', !c.risk_class]);
      if (card.expired) facts.push(['测评已过期', true]);
      else if (c.valid_until) facts.push(['测评有效至 ' + c.valid_until, false]);
      if (c.lowest) facts.push(['最低风险承受能力', true]);
      if (card.senior) facts.push(['65 岁以上', true]);
      if (card.minor) facts.push(['未成年人', true]);
      if (c.horizon) facts.push(['投资期限 ' + ({ short: '短期', medium: '中期', long: '长期' })[c.horizon], false]);
      facts.push([c.qualified ? '合格投资者' : '非合格投资者', false]);
      if (c.professional) facts.push(['专业投资者', false]);
    }
    list(at('facts'), facts, (line, [text, warn]) => { line.textContent = text; line.className = warn ? 'warn' : ''; });
    list(at('turns'), card.turns, (line, turn) => { line.textContent = turn.question + ' — ' + turn.answer; });
    const last = card.turns[card.turns.length - 1];
    if (last && !at('question').value) at('question').value = last.question;
    answering = card.answering;
    at('card').hidden = at('work').hidden = false;
  }

  function showFindings(findings) {
    list(at('findings'), findings, (line, found) => {
      line.className = found.action;
      line.textContent = (found.action === 'revise' ? '请修改：' : '不能发送：') + found.reason + '（' + found.clause + '）';
    });
    at('send').disabled = !at('reply').value.trim() || findings.length > 0;
  }

  async function check() {
    const text = at('reply').value.trim();
    if (!text) { showFindings([]); return; }
    const { answer } = await call('/screen', { customer, text });
    if (text === at('reply').value.trim()) showFindings(answer.findings);
  }

  async function draft() {
    const text = at('question').value.trim();
    if (!text) { at('question').focus(); return; }
    say('正在查找经审核的资料…');
    const { answer } = await call('/draft', { customer, text });
    at('reply').value = answer.text;
    at('sources').textContent = answer.sources.length ? '来源：' + answer.sources.map((s) => '《' + s.title + '》').join('') : '';
    answering = answer.answering;
    say('草稿已生成，请核对后发送。');
    await check();
  }

  async function send() {
    at('send').disabled = true;
    const { ok, answer } = await call('/release', { customer, text: at('reply').value.trim(), answering });
    if (!ok) {
      showFindings(answer.findings || []);
      say(answer.reason === 'moved_on' ? '客户又发来了消息，请看过后再发。' : '没有发送：请先修改。');
      if (answer.reason === 'moved_on') showCard((await call('/card?customer=' + encodeURIComponent(customer))).answer);
      return;
    }
    await invoke('sendChatMessage', { msgtype: 'text', enterChat: false, text: { content: answer.text } });
    at('reply').value = '';
    say('已发送。');
  }

  const safely = (work) => () => work().catch((error) => say(error.message));

  async function begin() {
    if (!window.wx || !window.wx.agentConfig) throw new Error('请在企业微信的聊天侧边栏中打开。');
    await configure();
    const context = await invoke('getContext');
    if (!['single_chat_tools', 'single_kf_tools'].includes(context.entry)) throw new Error('请在与客户的单聊中打开。');
    customer = (await invoke('getCurExternalContact')).userId;
    showCard((await call('/card?customer=' + encodeURIComponent(customer))).answer);
    say('');
  }

  at('draft').addEventListener('click', safely(draft));
  at('send').addEventListener('click', safely(send));
  at('reply').addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(safely(check), 300); });
  safely(begin)();
}());
