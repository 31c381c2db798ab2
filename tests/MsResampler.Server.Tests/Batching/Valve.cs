namespace MsResampler.Server.Tests.Batching;

/// <summary>Holds computations until a test lets them go.</summary>
internal sealed class Valve : IDisposable
{
    private readonly SemaphoreSlim _entered = new(0);
    private readonly SemaphoreSlim _released = new(0);
    private volatile bool _isOpen;

    /// <summary>Waits until <see cref="Release"/>, or until the computation is cancelled.</summary>
    public void Hold(FakeCall call)
    {
        if (_isOpen)
            return;
        _entered.Release();
        _released.Wait(call.Cancellation);
    }

    /// <summary>Waits until one more computation is held.</summary>
    public async Task EnteredAsync()
        => Assert.That(await _entered.WaitAsync(BatchingFixture.Patience), "expected a computation");

    /// <summary>Lets one computation go.</summary>
    public void Release() => _released.Release();

    /// <summary>Lets all computations go, also later ones.</summary>
    public void Open()
    {
        _isOpen = true;
        _released.Release(1_000);
    }

    public void Dispose()
    {
        _entered.Dispose();
        _released.Dispose();
    }
}
