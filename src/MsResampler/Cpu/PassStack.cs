using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Workspaces that wait for the next call: as many as calls ran at once, less those that no call has taken for a
/// minute, which go with the next call.</summary>
/// <param name="create">Makes a workspace.</param>
/// <param name="clock">The time.</param>
internal sealed class PassStack<TSimd, TVector>(Func<ForwardPass<TSimd, TVector>> create, TimeProvider clock)
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(1);

    private readonly List<(ForwardPass<TSimd, TVector> Pass, long Since)> _idle = [];

    /// <summary>Memory that waits.</summary>
    public long Bytes
    {
        get
        {
            lock (_idle)
                return _idle.Sum(waiting => waiting.Pass.WorkspaceBytes);
        }
    }

    /// <summary>Workspaces that wait.</summary>
    public int Count
    {
        get
        {
            lock (_idle)
                return _idle.Count;
        }
    }

    public ForwardPass<TSimd, TVector> Rent()
    {
        lock (_idle)
        {
            if (_idle.Count > 0)
            {
                ForwardPass<TSimd, TVector> pass = _idle[^1].Pass;
                _idle.RemoveAt(_idle.Count - 1);
                return pass;
            }
        }

        return create();
    }

    public void Return(ForwardPass<TSimd, TVector> pass)
    {
        pass.Release();
        long now = clock.GetTimestamp();
        lock (_idle)
        {
            _idle.Add((pass, now));
            // The one that was returned last is taken first, so the first has waited longest.
            if (clock.GetElapsedTime(_idle[0].Since, now) > s_kept)
                _idle.RemoveAt(0);
        }
    }
}
