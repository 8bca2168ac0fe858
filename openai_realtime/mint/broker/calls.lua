-- The registry of calls. KEYS[1] is the prefix of its keys, ARGV[1] a command, ARGV[2] its arguments
-- as JSON; it returns JSON. `now` and `moving_windows` come from `redis_storage.MOVING_WINDOWS`.
--
-- call:ID              the fields of a call; its times are whole microseconds of Redis' clock
-- deadlines            when each call is due, by id; heartbeats: when its page is silent for too long
-- slots, slots:WHO     the calls that count against the limits, oldest first: all, and of a principal
-- provider-ids         the id of the call that has a provider's id
-- processes            when each process was here last; owned:PROCESS: the calls that it is to end
-- gone:PROCESS         the calls that another process has taken from it, or ended
-- ended:ID             the process that tells of a call's end, or "told"
-- epoch                when the data began: Redis was empty then

local GRACE = 2000000     -- how long the owner has to end a call before another process does
local LEASE = 1000000     -- how long a call that was taken is left to its new owner, besides GRACE
local SILENCE = 3000000   -- after which a process counts as dead
local PAUSE = 5000000     -- after which Redis itself was away
local SETTLING = 3000000  -- in which each living process stores again what a Redis without data has lost
local MAX_WAIT = 30000000
local ENDED_SECONDS = 10800
local GONE_SECONDS = 10800
local BATCH = 200

local function key(name, part) return KEYS[1] .. name .. (part and ':' .. part or '') end
local function whole(number) return string.format('%.0f', number) end

local DEADLINES, HEARTBEATS, SLOTS = key('deadlines'), key('heartbeats'), key('slots')
local PROCESSES, PROVIDER_IDS = key('processes'), key('provider-ids')
local FIELDS = {
  'principal', 'api', 'owner', 'provider_id', 'reason', 'began', 'deadline', 'lasts_until', 'heartbeat'
}

local function epoch()
  redis.call('SET', key('epoch'), whole(now), 'NX')
  return redis.call('GET', key('epoch'))
end

local function read(id)
  local values = redis.call('HMGET', key('call', id), unpack(FIELDS))
  if not values[1] then return nil end
  local call = {id = id}
  for index, name in ipairs(FIELDS) do call[name] = values[index] or nil end
  return call
end

local function show(call)
  return {
    id = call.id, principal = call.principal, api = call.api, provider_id = call.provider_id,
    reason = call.reason,
    age = call.began and now - call.began, left = call.deadline - now,
    lasts = call.lasts_until and call.lasts_until - now,
    heartbeat = call.heartbeat and tonumber(call.heartbeat),
    has_slot = redis.call('ZSCORE', SLOTS, call.id) and true or false
  }
end

local function move(call, process)
  if call.owner == process then return end
  redis.call('SREM', key('owned', call.owner), call.id)
  redis.call('RPUSH', key('gone', call.owner), call.id)
  redis.call('EXPIRE', key('gone', call.owner), GONE_SECONDS)
  redis.call('SADD', key('owned', process), call.id)
  redis.call('HSET', key('call', call.id), 'owner', process)
  call.owner = process
end

local function store(call, process)
  local values = {
    'principal', call.principal, 'api', call.api, 'owner', process, 'deadline', whole(now + call.left)
  }
  local function add(name, value)
    if value then
      values[#values + 1] = name
      values[#values + 1] = value
    end
  end
  add('provider_id', call.provider_id)
  add('reason', call.reason)
  add('began', call.age and whole(now - call.age))
  add('lasts_until', call.lasts and whole(now + call.lasts))
  add('heartbeat', call.heartbeat and whole(call.heartbeat))
  redis.call('HSET', key('call', call.id), unpack(values))
  redis.call('SADD', key('owned', process), call.id)
  redis.call('ZADD', DEADLINES, whole(now + (call.reason and 0 or call.left)), call.id)
  if call.provider_id then
    redis.call('HSET', PROVIDER_IDS, call.provider_id, call.id)
    if call.heartbeat and not call.reason then
      redis.call('ZADD', HEARTBEATS, whole(now + call.heartbeat), call.id)
    end
  end
end

local function take_slot(call)
  redis.call('ZADD', SLOTS, whole(now), call.id)
  redis.call('ZADD', key('slots', call.principal), whole(now), call.id)
end

local function free_slot(call)
  redis.call('ZREM', SLOTS, call.id)
  redis.call('ZREM', key('slots', call.principal), call.id)
end

local function forget(call)
  free_slot(call)
  redis.call('ZREM', DEADLINES, call.id)
  redis.call('ZREM', HEARTBEATS, call.id)
  redis.call('SREM', key('owned', call.owner), call.id)
  if call.provider_id and redis.call('HGET', PROVIDER_IDS, call.provider_id) == call.id then
    redis.call('HDEL', PROVIDER_IDS, call.provider_id)
  end
  redis.call('DEL', key('call', call.id))
end

-- A call that is reserved stays with the process that trades its offer, and ends after the trade.
local function ask_to_end(call, reason, process)
  if not call.reason then
    redis.call('HSET', key('call', call.id), 'reason', reason)
    call.reason = reason
  end
  if call.provider_id then
    move(call, process)
    redis.call('ZADD', DEADLINES, whole(now + LEASE), call.id)
    redis.call('ZREM', HEARTBEATS, call.id)
  end
  return show(call)
end

local function slot_wait(id)
  local deadline = redis.call('HGET', key('call', id), 'deadline') or now
  return math.min(MAX_WAIT, math.max(1000000, deadline - now))
end

local commands = {}

function commands.reserve(args)
  local call, own_slots = args.call, key('slots', args.call.principal)
  local replaced, own_wait, all_wait = nil, 0, 0
  if redis.call('ZCARD', own_slots) >= args.per_principal then
    local oldest = redis.call('ZRANGE', own_slots, 0, 0)[1]
    if args.ends_oldest then replaced = oldest else own_wait = slot_wait(oldest) end
  end
  if args.in_all >= 0 and redis.call('ZCARD', SLOTS) - (replaced and 1 or 0) >= args.in_all then
    all_wait = slot_wait(redis.call('ZRANGE', SLOTS, 0, 0)[1] or '')
  end
  local waits, counts, is_allowed = {}, {}, own_wait + all_wait == 0
  for number, counter in ipairs(args.counters) do
    waits[number], counts[number] = moving_windows(KEYS[1 + number], counter)
    is_allowed = is_allowed and waits[number] == 0
  end
  waits[#waits + 1] = own_wait
  waits[#waits + 1] = all_wait
  if not is_allowed then return {waits = waits} end
  for _, count in ipairs(counts) do count(1) end
  local ended = replaced and read(replaced)
  if ended then
    free_slot(ended)
    ended = ask_to_end(ended, 'replaced', args.process)
  end
  store(call, args.process)
  take_slot(call)
  return {waits = waits, replaced = ended or nil}
end

function commands.record(args)
  local call = args.call
  if redis.call('EXISTS', key('ended', call.id)) == 1 then return {result = 'gone'} end
  local holder = redis.call('HGET', PROVIDER_IDS, call.provider_id)
  if holder and holder ~= call.id then return {result = 'taken'} end
  local reserved = read(call.id)
  if reserved then
    move(reserved, args.process)
    call.reason = reserved.reason or call.reason
  else
    take_slot(call)  -- Redis has lost its data since the reservation
  end
  store(call, args.process)
  return {result = 'recorded', reason = call.reason}
end

function commands.beat(args)
  local heartbeat = redis.call('HGET', key('call', args.id), 'heartbeat')
  if heartbeat and redis.call('ZSCORE', HEARTBEATS, args.id) then
    redis.call('ZADD', HEARTBEATS, whole(now + heartbeat), args.id)
  end
  return {}
end

function commands.principal_of(args)
  return {principal = redis.call('HGET', key('call', args.id), 'principal') or nil}
end

function commands.take(args)
  local calls = {}
  for _, id in ipairs(args.ids) do
    local call = read(id)
    if call then calls[#calls + 1] = ask_to_end(call, args.reason, args.process) end
  end
  return {calls = calls}
end

-- For operators: the processes of the service hang the calls up, and tell of their ends.
function commands.request_end(args)
  local ids = {}
  for _, provider_id in ipairs(args.provider_ids or {}) do
    local id = redis.call('HGET', PROVIDER_IDS, provider_id)
    if id then ids[#ids + 1] = id end
  end
  if not args.provider_ids then ids = redis.call('ZRANGE', SLOTS, 0, -1) end
  for _, id in ipairs(ids) do
    if redis.call('EXISTS', key('call', id)) == 1 then
      redis.call('HSETNX', key('call', id), 'reason', 'server')
      if redis.call('HEXISTS', key('call', id), 'provider_id') == 1 then
        redis.call('ZADD', DEADLINES, whole(now - GRACE), id)
      end
    end
  end
  return {count = #ids}
end

function commands.running(args)
  local calls, slots = {}, args.principal and key('slots', args.principal) or SLOTS
  for _, id in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
    local call = read(id)
    if call and not call.reason then calls[#calls + 1] = show(call) end
  end
  return {calls = calls}
end

function commands.postpone(args)
  local call = read(args.id)
  if call and call.owner == args.process then
    redis.call('HSETNX', key('call', args.id), 'reason', args.reason)
    redis.call('ZADD', DEADLINES, 'XX', whole(now + args.delay), args.id)
    redis.call('ZREM', HEARTBEATS, args.id)
    if not args.has_slot then free_slot(call) end
  end
  return {}
end

-- While the data may be incomplete, another process may know that the end has been told.
function commands.finish(args)
  local told, unsure = {}, {}
  local is_settling = now - epoch() < SETTLING
  for _, id in ipairs(args.ids) do
    local ended = key('ended', id)
    redis.call('SET', ended, args.process, 'NX', 'EX', ENDED_SECONDS)
    local is_first = redis.call('GET', ended) == args.process
    if is_first and is_settling then unsure[#unsure + 1] = id
    elseif is_first then told[#told + 1] = id end
    local call = read(id)
    if call then
      move(call, args.process)
      forget(call)
    end
  end
  return {told = told, unsure = unsure}
end

function commands.restore(args)
  for _, id in ipairs(args.ended) do
    redis.call('SET', key('ended', id), 'told', 'EX', ENDED_SECONDS)
    local call = read(id)
    if call then
      move(call, args.process)
      forget(call)
    end
  end
  for _, call in ipairs(args.calls) do
    local is_known = redis.call('EXISTS', key('ended', call.id), key('call', call.id)) > 0
    if not is_known then
      store(call, args.process)
      if call.has_slot then take_slot(call) end
    end
  end
  return {}
end

local function take_due(set, before, reason, process, calls)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', set, '-inf', whole(before), 'LIMIT', 0, BATCH)) do
    local call = read(id)
    if not call then
      redis.call('ZREM', set, id)
    elseif call.provider_id then
      calls[#calls + 1] = ask_to_end(call, reason, process)
    else
      move(call, process)
      redis.call('ZADD', DEADLINES, whole(now + LEASE), id)
      calls[#calls + 1] = show(call)
    end
  end
end

-- While Redis was away, no heartbeat could arrive, and no process could be here.
local function forgive_pause()
  local last = redis.call('GET', key('synchronized'))
  redis.call('SET', key('synchronized'), whole(now))
  if not last or now - last <= PAUSE then return end
  for _, id in ipairs(redis.call('ZRANGE', HEARTBEATS, 0, -1)) do
    local heartbeat = redis.call('HGET', key('call', id), 'heartbeat')
    if heartbeat then redis.call('ZADD', HEARTBEATS, whole(now + heartbeat), id) end
  end
  for _, process in ipairs(redis.call('ZRANGE', PROCESSES, 0, -1)) do
    redis.call('ZADD', PROCESSES, whole(now), process)
  end
end

function commands.synchronize(args)
  forgive_pause()
  redis.call('ZADD', PROCESSES, whole(now), args.process)
  local calls, gone = {}, {}
  take_due(DEADLINES, now - GRACE, 'max_duration', args.process, calls)
  take_due(HEARTBEATS, now, 'silent', args.process, calls)
  local dead = redis.call('ZRANGEBYSCORE', PROCESSES, '-inf', whole(now - SILENCE))
  for _, process in ipairs(dead) do
    for _, id in ipairs(redis.call('SRANDMEMBER', key('owned', process), BATCH)) do
      local call = read(id)
      if call then
        move(call, args.process)
        calls[#calls + 1] = show(call)
      else
        redis.call('SREM', key('owned', process), id)
      end
    end
    if redis.call('SCARD', key('owned', process)) == 0 then
      redis.call('ZREM', PROCESSES, process)
    end
  end
  for _ = 1, BATCH do
    local id = redis.call('LPOP', key('gone', args.process))
    if not id then break end
    if redis.call('HGET', key('call', id), 'owner') ~= args.process then gone[#gone + 1] = id end
  end
  return {calls = calls, gone = gone, epoch = epoch(), owned = redis.call('SCARD', key('owned', args.process))}
end

function commands.leave(args)
  redis.call('ZADD', PROCESSES, 0, args.process)
  return {}
end

return cjson.encode(commands[ARGV[1]](cjson.decode(ARGV[2])))
