using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Unused workspaces, one for each call that ran concurrently. After each call, one workspace that was
/// unused for more than a minute is dropped.</summary>
/// <param name="create">Makes a workspace.</param>
/// <param name="clock">The clock.</param>
internal sealed class PassStack<TSimd, TVector>(Func<ForwardPass<TSimd, TVector>> create, TimeProvider clock)
    where TSimd : struct, ISimd<TVector>
{
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(1);

    private readonly List<(ForwardPass<TSimd, TVector> Pass, long Since)> _idle = [];

    /// <summary>Memory of the unused workspaces, in bytes.</summary>
    public long Bytes
    {
        get
        {
            lock (_idle)
                return _idle.Sum(waiting => waiting.Pass.WorkspaceBytes);
        }
    }

    /// <summary>The number of unused workspaces.</summary>
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
            // Rent takes the last workspace, so the first one has been unused for the longest time.
            if (clock.GetElapsedTime(_idle[0].Since, now) > s_kept)
                _idle.RemoveAt(0);
        }
    }
}
