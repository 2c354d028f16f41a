SELECT count(*)
FROM coatcheck_sessions AS s
/*user_join*/
WHERE /*matching*/
