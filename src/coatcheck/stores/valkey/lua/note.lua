-- subjects
for i = 3, #ARGV do
  note(ARGV[i])
end
return 1
