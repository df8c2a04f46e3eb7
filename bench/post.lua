-- wrk -s post.lua URL -- NAME [COUNT [SEED]]: POST events of that name, COUNT of them in each request
-- (1: a bare object), with a fresh id seed each if SEED is "seed".  Ends with one line of figures:
-- figures <requests> <failed> <microseconds> <p50 in microseconds> <p99>
local digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/"

local function event(name)
	return string.format('{"name":"%s","data":{"user_id":"u-4711","plan":"pro","amount":1299,"tags":["a","b"]}}', name)
end

function init(args)
	local name, count = args[1], tonumber(args[2] or 1)

	wrk.method = "POST"
	wrk.headers["Content-Type"] = "application/json"
	if count == 1 then
		wrk.body = event(name)
	else
		local all = {}
		for i = 1, count do
			all[i] = event(name)
		end
		wrk.body = "[" .. table.concat(all, ",") .. "]"
	end
	if args[3] == "seed" then
		math.randomseed(os.time())
		request = seeded
	end
end

-- 10 bytes of entropy in base64, which may end in what is only half used
function seeded()
	local text = {}

	for i = 1, 13 do
		local d = math.random(64)
		text[i] = digits:sub(d, d)
	end
	wrk.headers["x-inngest-event-id-seed"] = os.time() .. "000," .. table.concat(text) .. "A=="
	return wrk.format()
end

function done(summary, latency)
	local e = summary.errors
	print(string.format("figures %d %d %d %d %d", summary.requests,
		e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
		latency:percentile(50), latency:percentile(99)))
end
