-- Tables, closures, strings and floats: a word count, a sort with a comparison, a spectral sum. The argument is how often.
local function round()
  local state = 12345
  local function random(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % n
  end

  local words, counts = {}, {}
  for i = 1, 40000 do
    local word = string.char(97 + random(26), 97 + random(6), 97 + random(4))
    counts[word] = (counts[word] or 0) + 1
  end
  for word in pairs(counts) do words[#words + 1] = word end
  table.sort(words, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  print(#words, table.concat(words, ",", 1, 8))

  local function entry(i, j) return 1 / ((i + j) * (i + j + 1) / 2 + i + 1) end
  local sum = 0
  for i = 0, 399 do
    for j = 0, 399 do sum = sum + entry(i, j) * (j % 3 - 1) end
  end
  print(string.format("%.9f", sum))

  local parts = {}
  for i = 1, 5000 do parts[i] = string.format("%d:%s", i, ("x"):rep(i % 7)) end
  print(#table.concat(parts, ";"):gsub("x+", function(run) return tostring(#run) end))
end

for _ = 1, tonumber(arg[1]) do round() end
