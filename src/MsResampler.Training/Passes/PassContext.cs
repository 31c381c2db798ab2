using MsResampler.Cpu;

namespace MsResampler.Training.Passes;

/// <summary>What the stages of a pass share.</summary>
internal sealed unsafe class PassContext(ModelParts parts, int threadCount, bool? absorbs)
{
    private float* _scratch;
    private int _scratchStride;

    public ModelParts Parts => parts;

    public int ThreadCount => threadCount;

    /// <summary>See <see cref="TrainerOptions.Absorbs"/>.</summary>
    public bool? Absorbs => absorbs;

    /// <summary>The batch.</summary>
    public BatchLayout Batch { get; set; } = new(default);

    /// <summary>Cancels the pass. It is checked before every task, and within those that may take long.</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <summary>Patches of all frames.</summary>
    public int RowCount => Batch.RowCount;

    /// <summary>M.</summary>
    public int QueryCount => parts.Config.QueryGrid.QueryCount;

    /// <summary>Tokens of all groups.</summary>
    public int TokenCount => Batch.GroupCount * QueryCount;

    /// <summary>D.</summary>
    public int Width => parts.Config.HiddenSize;

    /// <summary>Takes the scratch memory of all threads.</summary>
    /// <param name="memory">The memory of the pass.</param>
    /// <param name="count">Floats that a thread needs.</param>
    public void PlaceScratch(ref PassMemory memory, int count)
    {
        // One cache line of padding, so that two threads never write to the same line.
        _scratchStride = checked(((count + 15) & ~15) + 16);
        _scratch = memory.Take((long)threadCount * _scratchStride);
    }

    /// <summary>The scratch memory of a thread.</summary>
    public float* ScratchOf(int worker) => _scratch + ((nint)worker * _scratchStride);

    /// <summary>Adds a phase over rows, in blocks.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="name">The name of the phase.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="body">Computes one row.</param>
    public static void AddRows(PhaseList phases, string name, int rowCount, Action<int> body)
    {
        const int BlockRows = 16;
        phases.Add(name, (rowCount + BlockRows - 1) / BlockRows, (task, _) =>
        {
            for (int row = task * BlockRows; row < Math.Min((task + 1) * BlockRows, rowCount); row++)
                body(row);
        });
    }
}
