SELECT count(*)
FROM /*schema*/coatcheck_sessions AS s
/*user_join*/
WHERE /*matching*/
