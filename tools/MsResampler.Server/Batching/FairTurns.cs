namespace MsResampler.Server.Batching;

/// <summary>Lets a number of operations work at the same time; the others wait in a fair queue over clients. All
/// members are thread-safe.</summary>
/// <param name="count">The number of operations.</param>
internal sealed class FairTurns(int count)
{
    private readonly Lock _lock = new();
    private readonly FairQueue<Waiter> _waiting = new();
    private int _free = count;

    /// <summary>Waits for a turn; <see cref="Leave"/> ends it.</summary>
    /// <param name="client">Who wants it.</param>
    /// <param name="cost">The work.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task EnterAsync(string client, double cost, CancellationToken cancellationToken)
    {
        Waiter waiter = new(cost);
        lock (_lock)
        {
            if (_free > 0)
            {
                _free--;
                return;
            }

            waiter.Place = _waiting.Add(client, waiter);
        }

        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(_ => Cancel(waiter), null);
        if (!await waiter.Turn.Task.ConfigureAwait(false))
            throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Gives the turn to the next one who waits.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            if (_waiting.Next is not { } next)
            {
                _free++;
                return;
            }

            _waiting.Charge(next.Cost, removes: true);
            next.Place = null;
            next.Turn.SetResult(true);
        }
    }

    private void Cancel(Waiter waiter)
    {
        lock (_lock)
        {
            if (waiter.Place is not { } place)
                return;
            _waiting.Remove(place);
            waiter.Place = null;
            waiter.Turn.SetResult(false);
        }
    }

    private sealed class Waiter(double cost)
    {
        public double Cost { get; } = cost;

        /// <summary>Its place; null once it has a turn or was cancelled.</summary>
        public FairQueue<Waiter>.Place? Place { get; set; }

        /// <summary>Whether it got a turn.</summary>
        public TaskCompletionSource<bool> Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
