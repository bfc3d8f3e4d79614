"""Who is told of alarms: what is due to whom and how it is written (pure), and how it gets there.

Nothing here has an effect on payments: what fails is told to a fall-back, logged, and shown by `status`.
"""
