"""The profile of one bank."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, PrivateAttr

from h2h.calendars import EVERY_DAY, Calendar, Closings
from h2h.closure import Terms as CashTerms
from h2h.config.accounts import BankAccount
from h2h.config.answers import Answers, first_of, out_of_order
from h2h.config.channel import ChannelSettings, SftpSettings
from h2h.config.closings import LocalClosings
from h2h.config.cut_offs import CutOff, Times
from h2h.config.folders import Inbound, Outbound
from h2h.config.maintenance import Maintenance
from h2h.config.pgp import PgpSettings, encrypts, signs
from h2h.config.section import Contradiction, Section
from h2h.config.toml_file import KeyPath, Source
from h2h.config.values import CalendarName, Duration, Environment, SchemaFolder, StatusCode, Zone
from h2h.contract import AnswerStage, Owed
from h2h.identity import account_key
from h2h.kinds import Kind
from h2h.model import Severity, Way
from h2h.naming import parts
from h2h.rules import Terms
from h2h.schedule import Away, Due, Window, away_until, closing, next_opening
from h2h.verdicts import KNOWN

ADDRESSES = {"off": None, "warn": Severity.WARNING, "refuse": Severity.ERROR}


class Retry(Section):
    first: Duration = timedelta(seconds=30)
    most: Duration = timedelta(minutes=15)
    give_up_after: Annotated[int, Field(ge=1, le=1000)] = 20


class Bank(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    environment: Environment | None = None
    version: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,40}$")
    owner: str | None = Field(default=None, min_length=1, max_length=100)
    timezone: Zone
    calendar: CalendarName = "WEEKDAYS"
    closings: LocalClosings = Closings()
    schemas: SchemaFolder | None = None  # before the messages, which may be of it
    channel: ChannelSettings
    debit_within: Annotated[int, Field(ge=0, le=60)] = 3
    retry: Retry = Retry()
    statuses: dict[str, StatusCode] = Field(default={})
    pgp: PgpSettings = PgpSettings()
    maintenance: list[Maintenance] = Field(default=[])
    contact: str | None = Field(default=None, min_length=1)
    customer: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,64}$")
    answers: list[Answers] = Field(default=[])
    outbound: list[Outbound] = Field(default=[])
    inbound: list[Inbound] = Field(default=[])
    accounts: list[BankAccount] = Field(default=[])
    _sha256: str = PrivateAttr("")

    def read_from(self, source: Source) -> Self:
        """Notes which bytes these are."""
        self._sha256 = source.sha256
        return self

    @property
    def profile(self) -> str | None:
        """Which version this is, and the hash of its file; None where it is of no file."""
        return f"{self.version or 'no version'} sha256:{self._sha256}" if self._sha256 else None

    def contradictions(self) -> Iterator[Contradiction]:
        for word in self.statuses:
            if word in KNOWN:
                text = "is a status of ISO 20022 already, and taken as that; here stand the bank's own words"
                yield Contradiction(text=text, keys=(("statuses", word),))
        for number, folder in enumerate(self.outbound):
            if folder.test_files and self.environment is None:
                text = "goes with environment, which says whether this profile is of test or of production"
                yield Contradiction(text=text, keys=(("outbound", number, "test_files"), ("environment",)))
            yield from self._closed_days(folder.days, ("outbound", number))
            for place, row in enumerate(folder.cut_offs):
                yield from self._closed_days(row.days, ("outbound", number, "cut_offs", place), row.calendar)
            if self.channel.way is not Way.RENAME and folder.staging:
                text = 'staging goes with publish = "rename": here nothing is moved from one folder to the other'
                yield Contradiction(text=text, keys=(("outbound", number, "staging"), ("channel", "publish")))
            if self.customer is None and "customer" in {part.field for part in parts(folder.name)}:
                text = "{customer} is what the bank calls us; add customer to [bank]"
                yield Contradiction(text=text, keys=(("outbound", number, "name"), ("customer",)))

        yield from self._lacking_keys()
        yield from self._accounts()
        yield from out_of_order(self.answers)

    def _lacking_keys(self) -> Iterator[Contradiction]:
        """We sign and open with our keys; encrypt to theirs, and check by them."""
        uses = [(("outbound", n, "pgp"), signs(o.pgp), encrypts(o.pgp)) for n, o in enumerate(self.outbound)]
        uses += [(("inbound", n, "pgp"), encrypts(i.pgp), signs(i.pgp)) for n, i in enumerate(self.inbound)]
        for place, ours, theirs in uses:
            for needed, key in ((ours, "our_keys"), (theirs, "their_keys")):
                if needed and not getattr(self.pgp, key):
                    text = f"needs a key in {key} of [bank.pgp], and there is none"
                    yield Contradiction(text=text, keys=(place, ("pgp", key)))

    def _accounts(self) -> Iterator[Contradiction]:
        for number, account in enumerate(self.accounts):
            if account.statements == "daily":
                yield from self._closed_days(account.days, ("accounts", number))
        for (first, one), (second, other) in itertools.combinations(enumerate(self.accounts), 2):
            same = account_key(one.account) == account_key(other.account)
            if same and (one.currency == other.currency or None in (one.currency, other.currency)):
                text = "is there already; an account stands here once, or once for each of its currencies"
                yield Contradiction(text=text, keys=(("accounts", second, "account"), ("accounts", first, "account")))

    def _closed_days(self, days: frozenset[int], at: KeyPath, calendar: str | None = None) -> Iterator[Contradiction]:
        """`calendar`: one beside the bank's, or EVERYDAY in place of it."""
        closing = calendar or self.calendar
        if closing != "EVERYDAY" and not days & set(range(5)):
            text = f"these are only days that the calendar {closing} closes"
            yield Contradiction(text=text, keys=((*at, "days"), (*at, "calendar") if calendar else ("calendar",)))

    def as_of(self, now: datetime, accepted: Collection[str] = ()) -> Bank:
        """The profile by which the bank is reached now; `accepted`: host keys that people took for its own."""
        if not isinstance(self.channel, SftpSettings):
            return self
        return self.model_copy(update={"channel": self.channel.as_of(now, self.timezone, accepted)})

    def by_next_key(self) -> Bank | None:
        """To try the next login key before its hour; None where there is none."""
        channel = self.channel.by_next_key() if isinstance(self.channel, SftpSettings) else None
        return self.model_copy(update={"channel": channel}) if channel else None

    def due(self, account: BankAccount) -> Due | None:
        """When its statements are due; None where none is expected of a day."""
        if account.statements != "daily":
            return None
        return Due(timezone=self.timezone, calendar=self.open_days, days=account.days, clock=account.due)

    def contract(self, kinds: Collection[Kind] | None, sent_at: datetime) -> list[Owed]:
        """Which answers the bank owes on a file with payments of these kinds. Of several terms for one stage the one
        that ends last: until then the payments of the others may be all that was answered."""
        found: list[Owed] = []
        for stage in AnswerStage:
            rows = first_of([row for row in self.answers if row.stage is stage], kinds)
            owed = [row.owed(self.timezone, self.open_days) for row in rows]
            found += sorted(owed, key=lambda each: each.due(sent_at))[-1:]
        return found

    @property
    def open_days(self) -> Calendar:
        """Which days are open."""
        return Calendar(self.calendar, self.closings)

    @property
    def places(self) -> list[str]:
        """Of whatever can be in trouble, in the words of `status`."""
        return [i.place for i in self.inbound] + [o.status_place for o in self.outbound if o.status]

    def window(self, folder: Outbound) -> Window:
        """The folder's own, by which payments go that it has no other times for."""
        return self._window(folder, self.open_days)

    def windows_for(self, folder: Outbound, kinds: Collection[Kind] | None) -> list[Window]:
        """Those that a file with payments of these kinds goes by; where they are not known, all that there are."""
        counting = [*folder.cut_offs, None] if kinds is None else [*map(folder.cut_off_for, kinds)] or [None]
        windows = [self._other_window(row) for row in folder.cut_offs if row in counting]
        return [*windows, self.window(folder)] if None in counting else windows

    def goes_until(self, folder: Outbound, now: datetime) -> datetime:
        """When the last of the windows closes by which a file goes that comes now; without a cut-off it is now."""
        windows = [each for each in self.windows_for(folder, None) if each.cut_off]
        ends = [closing(window, next_opening(window, now)) for window in windows]
        return max((end for end in ends if end), default=now)

    def _other_window(self, row: CutOff) -> Window:
        """By the bank's calendar and its own; with EVERYDAY by none but for the bank's closings."""
        if row.calendar == "EVERYDAY":
            window = self._window(row, Calendar("EVERYDAY", self.closings))
        else:
            window = self._window(row, self.open_days)
        return replace(window, payments=row.payments, also=Calendar(row.calendar) if row.calendar else EVERY_DAY)

    def _window(self, times: Times, calendar: Calendar) -> Window:
        return Window(
            timezone=self.timezone,
            calendar=calendar,
            days=times.days,
            opens=times.opens,
            cut_off=times.cut_off,
            lead=times.lead,
        )

    @property
    def away(self) -> list[Away]:
        """When its server is."""
        return [each.away(self.timezone) for each in self.maintenance]

    def away_until(self, now: datetime) -> datetime | None:
        """The end of the maintenance that lasts now."""
        return away_until(self.away, now)

    def today(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def terms(self, folder: Outbound, now: datetime) -> Terms:
        """What a file that is dropped into the folder now is judged by."""
        return Terms(
            messages=folder.messages,
            accounts=folder.accounts,
            supplementary_data=folder.supplementary_data,
            today=self.today(now),
            execution_days=folder.execution_days,
            creation_days=folder.creation_days,
            unusual_dates=Severity.HOLD if folder.unusual_dates == "hold" else Severity.WARNING,
            addresses=ADDRESSES[folder.addresses],
            upgrade=folder.upgrade,
            upgrade_uetr=folder.upgrade_uetr,
            approvals=tuple(row.rule for row in folder.approvals),
            test_files=folder.test_files,
            production=self.environment == "production",
            asking=folder.asking,
            max_payments=folder.max_payments,
            max_batches=folder.max_batches,
            profile=self.profile,
        )

    @property
    def cash_terms(self) -> CashTerms:
        return CashTerms(timezone=self.timezone, calendar=self.open_days, debit_within=self.debit_within)

    def outbound_for(self, watch: str) -> Outbound | None:
        return next((o for o in self.outbound if str(o.watch) == watch), None)
