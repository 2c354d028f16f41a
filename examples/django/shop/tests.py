"""Tests of the site with Django's own clients: `python manage.py test`."""

from django.contrib.auth.models import User
from django.test import TestCase, TransactionTestCase


class Devices(TestCase):
    """Each test is a transaction that is undone."""

    def setUp(self) -> None:
        """Make a user."""
        self.user = User.objects.create_user("ann", password="secret")
        self.user.session_set.end_all()  # beside a database in memory those of another test's first user are left

    def test_who_signs_in_is_listed(self) -> None:
        """And who signs out is not, and nothing else of a transaction is disturbed."""
        assert self.client.login(username="ann", password="secret")
        self.assertContains(self.client.get("/"), "(here)")
        with self.captureOnCommitCallbacks() as callbacks:
            self.client.post("/logout")
        assert callbacks == []
        assert self.client.get("/").status_code == 302
        assert self.user.session_set.count() == 0

    def test_a_view_that_is_a_coroutine_knows_them_too(self) -> None:
        """Under the client for threads."""
        self.client.force_login(self.user)
        assert self.client.get("/me").json()["user"] == str(self.user.pk)

    async def test_the_same_with_the_client_for_event_loops(self) -> None:
        """A view for threads and one that is a coroutine."""
        await self.async_client.aforce_login(self.user)
        assert (await self.async_client.get("/")).status_code == 200
        assert (await self.async_client.get("/me")).json()["user"] == str(self.user.pk)

    def test_a_session_can_be_prepared(self) -> None:
        """As the documentation of the client has it."""
        session = self.client.session
        session["cart"] = [1]
        session.save()
        assert self.client.session["cart"] == [1]


class Committed(TransactionTestCase):
    """Each test commits."""

    async def test_a_user_who_signs_in(self) -> None:
        """In an event loop from the beginning."""
        user = await User.objects.acreate_user("bob", password="secret")
        await user.session_set.aend_all()
        await self.async_client.aforce_login(user)
        assert (await self.async_client.get("/me")).json()["user"] == str(user.pk)
        assert await user.session_set.acount() == 1
