-- Shows: work that burns CPU, moved to the pool "CPU": the SHA-256 of every
-- attachment, put in a header and remembered in self for the next phase.
-- Needs: the predefined pools.
--
-- The hash is plain Lua, to need nothing else: about 0.3 s for 1 MiB.  While it
-- runs, sessions of other Lua states go on, and so does the scheduler.

local most = 4 << 20  -- bytes of one attachment; the rest is not hashed

local K = {}  -- the fractions of the cube roots of the first 64 primes
do
  local candidate = 2
  while #K < 64 do
    local prime = true
    for divisor = 2, candidate ^ 0.5 // 1 do
      prime = prime and candidate % divisor ~= 0
    end
    if prime then
      K[#K + 1] = candidate ^ (1 / 3) % 1 * 2 ^ 32 // 1 | 0
    end
    candidate = candidate + 1
  end
end

-- x << 32 | x holds every rotation of the 32 bits of x in its lower half.
local function expand(w)
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local xx, yy = x << 32 | x, y << 32 | y
    local s0 = (xx >> 7 ~ xx >> 18 ~ x >> 3) & 0xffffffff
    local s1 = (yy >> 17 ~ yy >> 19 ~ y >> 10) & 0xffffffff
    w[i] = w[i - 16] + s0 + w[i - 7] + s1 & 0xffffffff
  end
end

local function compress(w, H)
  local a, b, c, d, e, f, g, h = table.unpack(H)
  for i = 1, 64 do
    local aa, ee = a << 32 | a, e << 32 | e
    local s1 = (ee >> 6 ~ ee >> 11 ~ ee >> 25) & 0xffffffff
    local t = h + s1 + (g ~ e & (f ~ g)) + K[i] + w[i]
    local s0 = (aa >> 2 ~ aa >> 13 ~ aa >> 22) & 0xffffffff
    h, g, f, e = g, f, e, d + t & 0xffffffff
    d, c, b, a = c, b, a, t + s0 + (a & b | c & (a | b)) & 0xffffffff
  end
  for i, v in ipairs { a, b, c, d, e, f, g, h } do
    H[i] = H[i] + v & 0xffffffff
  end
end

local function sha256(data)
  local padding = "\x80" .. ("\0"):rep((55 - #data) % 64)
  local text = data .. padding .. (">I8"):pack(#data * 8)
  local H = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }
  local words, w = ">" .. ("I4"):rep(16), {}
  for at = 1, #text, 64 do
    w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12],
      w[13], w[14], w[15], w[16] = words:unpack(text, at)
    expand(w)
    compress(w, H)
  end
  return (("%08x"):rep(8):format(table.unpack(H)))
end

assert(sha256("abc") ==
  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")

local function is_attachment(part)
  return part.filename
    or part.disposition and part.disposition:lower() == "attachment"
end

local function hash_attachments(msg)
  local found = {}
  for part in msg:parts() do
    if is_attachment(part) then
      found[#found + 1] = {
        name = part.filename or "(no name)",
        size = part.size,
        sha256 = sha256(part:body():sub(1, most)),
      }
    end
  end
  return found
end

local mod = {}

function mod:validate_data(msg, ac, vctx)
  local ok, found = msys.runInPool("CPU", function()
    return hash_attachments(msg)
  end)
  if not ok then
    vctx:set_code(451, "cannot look at the attachments")
    print("attachment_hasher", msg.id, found)
    return msys.core.VALIDATE_DONE
  end

  self.attachments = found
  local hashes = {}
  for i = 1, math.min(#found, 8) do  -- a header has its limits
    hashes[i] = found[i].sha256
  end
  msg:header("X-Attachments",
    #found .. (#found > 0 and "; " or "") .. table.concat(hashes, ", "))
  return msys.core.VALIDATE_CONT
end

function mod:validate_data_spool(msg, ac, vctx)
  local bytes = 0
  for _, attachment in ipairs(self.attachments or {}) do
    bytes = bytes + attachment.size
  end
  vctx:set(msys.core.VCTX_MESS, "attachment_bytes", tostring(bytes))
  return msys.core.VALIDATE_CONT
end

msys.registerModule("attachment_hasher", mod)
