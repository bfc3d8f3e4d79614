"""A bank in a box: an SFTP server and the behaviour of a bank behind it, for `h2h sandbox`, the demo and tests.

It shares no code with the gateway's readers, validators or SFTP client, so that the two cannot share a mistake:
asyncssh and the standard library's expat here, paramiko and lxml there. Only the exceptions are common.

| module | part |
| --- | --- |
| server | SFTP, key login, one folder tree per client; `BankServer` runs it in a thread of its own |
| folders | what lies where on disk; taking a file, putting one out |
| desk | the one worker that handles taken files in order, at the delays of the scenario |
| bank | what the bank says to an order, and what it books |
| orders, answers, statements | reading pain.001, writing pain.002, writing camt.05x; xml: what both writers need |
| booking, books | what is booked; the accounts and all else that the bank remembers, as JSON |
| wrapping | what files travel in: packed, or by PGP, with GnuPG called in a few lines of its own |
| scenario | how this bank behaves, from a TOML file |
| keys | host key, and key pairs for clients |
"""
