-- What was created before is dead from now on, however many there are; the sweep removes the rows. A sign-in that is
-- under way has read the old number and is dead as well.
UPDATE /*schema*/coatcheck_meta SET generation = generation + 1
