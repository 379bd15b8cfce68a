-- http-request lua.sluice URL open|closed
--
-- Asks Sluice about the request. A refusal is answered as Sluice answers it: status, header fields and body. Of a request
-- that may pass, txn.sluice_policy and txn.sluice_state are the RateLimit fields. If Sluice does not answer, or not by a
-- decision, the request passes where the second argument is open, and is answered 503 where it is closed.

-- How long an answer may take, in milliseconds: longer than the timeout of the proxy that asks Sluice.
local patience = 2000

-- The header fields of the request that Sluice is sent: those that the policy's key names.
local passed_on = {"x-api-key", "cookie"}

-- The header fields of a refusal that the client is sent.
local passed_back = {"content-type", "retry-after", "ratelimit", "ratelimit-policy"}

local unknown = '{"type":"about:blank","title":"Service Unavailable","status":503,' ..
    '"detail":"nobody can say now whether this request is within its limits: try again later"}\n'

-- first returns the first line of a header field, or nil.
local function first(headers, name)
    return headers and headers[name] and headers[name][0]
end

core.register_action("sluice", {"http-req"}, function(txn, url, gone)
    local headers = txn.http:req_get_headers()
    local question = {
        ["x-forwarded-for"] = {txn.f:src()},
        ["x-forwarded-method"] = {txn.f:method()},
        ["x-forwarded-uri"] = {txn.f:pathq()},
        ["x-forwarded-host"] = {first(headers, "host")},
    }
    for _, name in ipairs(passed_on) do
        question[name] = {first(headers, name)}
    end

    local answer = core.httpclient():get{url = url, headers = question, timeout = patience}
    local status = answer and answer.status or 0
    if status == 200 then
        txn:set_var("txn.sluice_policy", first(answer.headers, "ratelimit-policy"))
        txn:set_var("txn.sluice_state", first(answer.headers, "ratelimit"))
        return
    end

    local refusal = txn:reply{status = status, body = answer and answer.body or ""}
    if status >= 400 and status < 500 then
        for _, name in ipairs(passed_back) do
            local value = first(answer.headers, name)
            if value then refusal:add_header(name, value) end
        end
    elseif gone == "closed" then
        refusal = txn:reply{status = 503, body = unknown}
        refusal:add_header("content-type", "application/problem+json")
    else
        return
    end
    txn:done(refusal)
end, 2)
