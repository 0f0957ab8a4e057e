-- Sends the requests of a file, and prints one line of JSON about them.
--
-- Arguments: directory, number of files, mode, steps, parameter. Thread `i` sends the requests of the file `i % files`,
-- which are separated by zero bytes, in their order and over again.
--
-- Modes:
--   fast   the cheapest one: wrk counts responses and measures latencies, and does not read the responses
--   flow   one connection per thread: `steps` requests in a row are a flow, whose latency is measured as a whole; at most
--          `parameter` flows a second on each connection, 0 for no limit
--   once   all connections send one request each, at the time `parameter` (microseconds since 1970)

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long microseconds; } bench_time; int gettimeofday(bench_time *, void *);")
local time = ffi.new("bench_time")
local function now()
    ffi.C.gettimeofday(time, nil)
    return tonumber(time.seconds) * 1000000 + tonumber(time.microseconds)
end

local threads = {}

function setup(thread)
    thread:set("id", #threads)
    table.insert(threads, thread)
end

-- The state of a thread. wrk copies it to the main script at the end, so it is global.
statuses, histogram, flows, slowest = {}, {}, 0, 0

local BUCKETS = 50 / math.log(2) -- 50 buckets for each doubling: an error of at most 1.4 %

local function record(latency)
    local bucket = math.floor(math.log(math.max(latency, 1)) * BUCKETS)
    histogram[bucket] = (histogram[bucket] or 0) + 1
    slowest = math.max(slowest, latency)
end

local function read_requests(path)
    local file = assert(io.open(path, "rb"))
    local requests = {}
    for text in file:read("*a"):gmatch("[^%z]+") do
        requests[#requests + 1] = text
    end
    file:close()
    return requests
end

local function count_status(status)
    local name = tostring(status)
    statuses[name] = (statuses[name] or 0) + 1
end

local modes = {}

function modes.fast(requests)
    local index = 0
    function request()
        index = index % #requests + 1
        return requests[index]
    end
end

function modes.flow(requests, steps, rate)
    -- Only a response moves on to the next request, so that a request is repeated after a lost connection.
    local index, step, started, succeeded, due = 1, 0, 0, true, now()
    function request()
        if step == 0 then
            started, succeeded = now(), true
        end
        return requests[index]
    end
    function response(status)
        count_status(status)
        succeeded = succeeded and status < 400
        index, step = index % #requests + 1, step + 1
        if step == steps then
            step = 0
            if succeeded then
                flows = flows + 1
                record(now() - started)
            end
        end
    end
    if rate > 0 then
        due = now() + math.random() * 1000000 / rate
        function delay()
            if step ~= 0 then
                return 0
            end
            local wait = due - now()
            due = due + 1000000 / rate
            return math.max(0, math.floor(wait / 1000))
        end
    end
end

function modes.once(requests, _, start)
    local index, sent = 0, 0
    function request()
        index = index % #requests + 1
        return requests[index]
    end
    function delay()
        sent = sent + 1
        return sent > #requests and 3600000 or math.max(0, math.floor((start - now()) / 1000))
    end
    function response(status)
        count_status(status)
        flows = flows + 1
        record(now() - start)
    end
end

function init(args)
    math.randomseed(id + 1)
    local requests = read_requests(args[1] .. "/" .. id % tonumber(args[2]))
    modes[args[3]](requests, tonumber(args[4]), tonumber(args[5]))
end

local function merge(total, part)
    for key, count in pairs(part) do
        total[key] = (total[key] or 0) + count
    end
end

local function percentile(merged, p)
    local buckets, count = {}, 0
    for bucket, samples in pairs(merged) do
        buckets[#buckets + 1] = bucket
        count = count + samples
    end
    table.sort(buckets)
    local seen = 0
    for _, bucket in ipairs(buckets) do
        seen = seen + merged[bucket]
        if seen >= count * p / 100 then
            return math.exp((bucket + 0.5) / BUCKETS)
        end
    end
    return 0
end

function done(summary, latency, _)
    local merged, by_status, completed, maximum = {}, {}, 0, 0
    for _, thread in ipairs(threads) do
        merge(merged, thread:get("histogram"))
        merge(by_status, thread:get("statuses"))
        completed = completed + thread:get("flows")
        maximum = math.max(maximum, thread:get("slowest"))
    end
    local p50, p99 = percentile(merged, 50), percentile(merged, 99)
    local errors, counts = summary.errors, {}
    if next(by_status) == nil then
        completed = summary.requests - errors.status
        p50, p99, maximum = latency:percentile(50), latency:percentile(99), latency.max
        counts[1] = string.format('"not successful":%d', errors.status)
    end
    for status, count in pairs(by_status) do
        counts[#counts + 1] = string.format('"%s":%d', status, count)
    end
    print(string.format(
        '{"microseconds":%d,"flows":%d,"p50":%.0f,"p99":%.0f,"slowest":%.0f,"statuses":{%s},"broken":%d,"timeouts":%d}',
        summary.duration, completed, p50, p99, maximum, table.concat(counts, ","),
        errors.connect + errors.read + errors.write, errors.timeout))
end
