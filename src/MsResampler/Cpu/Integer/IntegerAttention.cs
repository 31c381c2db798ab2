using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu.Integer;

/// <summary>The projected keys and values of a forward pass as integers, and the tasks that round them.</summary>
/// <param name="model">A model with integer products.</param>
/// <param name="stack">The groups.</param>
internal sealed unsafe class IntegerAttention<TSimd, TVector>(ModelOperands<TSimd, TVector> model, FrameStack stack)
    where TSimd : struct, ISimd<TVector>
{
    private readonly IntegerProducts _products = model.Integers!;
    private readonly IntegerHeads[] _keys = new IntegerHeads[model.Config.Scopes.Count];
    private readonly IntegerHeads[] _values = new IntegerHeads[model.Config.Scopes.Count];
    private readonly List<int> _scopes = [];

    /// <summary>The number of tasks: one per frame, scope, head, and keys or values.</summary>
    public int TaskCount => stack.FrameCount * _scopes.Count * 2 * HeadCount;

    private int HeadCount => model.Config.AttentionHeadCount;

    /// <summary>The keys of a scope that owns them.</summary>
    public ref readonly IntegerHeads Keys(int scope) => ref _keys[scope];

    /// <summary>The values of a scope that owns them.</summary>
    public ref readonly IntegerHeads Values(int scope) => ref _values[scope];

    /// <summary>Starts a stack without scopes.</summary>
    public void Clear() => _scopes.Clear();

    /// <summary>Assigns memory to a scope with keys and values of its own.</summary>
    public void Place(ref PassMemory memory, int scope)
    {
        _scopes.Add(scope);
        _keys[scope] = Take(ref memory, model.Config.HeadSize);
        _values[scope] = Take(ref memory, IntegerHeads.KeyBlock);
    }

    /// <summary>Floats of scratch memory that a task of attention needs.</summary>
    /// <param name="lanes">Queries of the widest tile, padding included.</param>
    public int ScratchCount(int lanes)
        => ScopeAttentionInteger<TSimd, TVector>.ScratchCount(lanes, Describe(null, model.Config.HeadSize),
            Describe(null, IntegerHeads.KeyBlock));

    /// <summary>Rounds the keys or values of a head of a frame.</summary>
    /// <param name="task">The task.</param>
    /// <param name="attention">The keys and values in float.</param>
    public void Round(int task, AttentionStage<TSimd, TVector> attention)
    {
        (task, int head) = Math.DivRem(task, HeadCount);
        (task, int part) = Math.DivRem(task, 2);
        (int frame, int index) = Math.DivRem(task, _scopes.Count);
        int scope = _scopes[index];
        HeadLayout layout = attention.Heads;
        int firstRow = stack.FirstRow(frame);
        float* rows = (part == 0 ? attention.Keys(scope) : attention.Values(scope)) + (head * layout.HeadStride)
            + ((nint)firstRow * layout.RowStride);
        HeadQuantiser<TSimd, TVector>.Run(rows, layout.RowStride, stack[frame].PatchCount,
            part == 0 ? _keys[scope] : _values[scope], frame, firstRow, head);
    }

    private IntegerHeads Take(ref PassMemory memory, int terms)
        => Describe(memory.Take(IntegerHeads.BytesOf(stack.FrameCount, stack.RowCount, HeadCount,
            model.Config.HeadSize, _products.AttentionType, _products.Kernel) / sizeof(float)), terms);

    private IntegerHeads Describe(void* memory, int terms) => new(memory, stack.FrameCount, stack.RowCount, HeadCount,
        model.Config.HeadSize, terms, _products.AttentionType, _products.Kernel);
}
