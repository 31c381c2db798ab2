using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu.Integer;

/// <summary>The rows of a forward pass that integer products read. Rows of products in float32 are empty.</summary>
/// <param name="model">The model.</param>
internal sealed unsafe class IntegerActivations<TSimd, TVector>(ModelOperands<TSimd, TVector> model)
    where TSimd : struct, ISimd<TVector>
{
    private readonly IntegerRows[] _outputs = new IntegerRows[model.Config.Scopes.Count];
    private IntegerMatrix? _keyMatrix;
    private IntegerMatrix? _valueMatrix;
    private bool _areNormalsShared;

    /// <summary>Features, the input of kv_proj.</summary>
    public IntegerRows Input { get; private set; }

    /// <summary>Z plus positions, the input of k_proj.</summary>
    public IntegerRows Keys { get; private set; }

    /// <summary>Z, the input of v_proj.</summary>
    public IntegerRows Values { get; private set; }

    /// <summary>Branch outputs of all scopes, the input of the first layer of the gate.</summary>
    public IntegerRows Branches { get; private set; }

    /// <summary>Fused and normalised rows, the input of proj.</summary>
    public IntegerRows Fused { get; private set; }

    /// <summary>Whether features are rounded.</summary>
    public bool HasInput => model.KeyValueInput is IntegerMatrix;

    /// <summary>Whether the output of attention is rounded.</summary>
    public bool HasOutputs => model.Scopes[0].Output is IntegerMatrix;

    /// <summary>Whether branch outputs are rounded.</summary>
    public bool HasBranches => model.GateHidden is IntegerMatrix;

    /// <summary>The output of attention of a scope, the input of its out_proj.</summary>
    public ref readonly IntegerRows Outputs(int scope) => ref _outputs[scope];

    /// <summary>Assigns the memory at <paramref name="memory"/>.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="rowCount">Patches of the stack.</param>
    /// <param name="tokenRowCount">Tokens of the stack.</param>
    /// <param name="attention">Which keys and values are projected.</param>
    /// <param name="hasKeyPositions">Whether the input of k_proj differs from that of v_proj.</param>
    public void Place(ref PassMemory memory, int rowCount, int tokenRowCount, AttentionStage<TSimd, TVector> attention,
        bool hasKeyPositions)
    {
        // All scopes have the same type and smoothing of keys, and of values.
        _keyMatrix = _valueMatrix = null;
        for (int scope = 0; scope < _outputs.Length; scope++)
        {
            if (attention.IsKeyProjected(scope))
                _keyMatrix ??= model.Scopes[scope].Keys as IntegerMatrix;
            if (attention.IsValueProjected(scope))
                _valueMatrix ??= model.Scopes[scope].Values as IntegerMatrix;
        }

        Input = Take(ref memory, rowCount, model.KeyValueInput as IntegerMatrix);
        Keys = Take(ref memory, rowCount, _keyMatrix);
        _areNormalsShared = !hasKeyPositions && _keyMatrix is not null && _valueMatrix is not null
            && _keyMatrix.Type == _valueMatrix.Type && _keyMatrix.InverseSmoothing == null
            && _valueMatrix.InverseSmoothing == null;
        Values = _areNormalsShared ? Keys : Take(ref memory, rowCount, _valueMatrix);
        for (int scope = 0; scope < _outputs.Length; scope++)
            _outputs[scope] = Take(ref memory, tokenRowCount, model.Scopes[scope].Output as IntegerMatrix);
        Branches = Take(ref memory, tokenRowCount, model.GateHidden as IntegerMatrix);
        Fused = Take(ref memory, tokenRowCount, model.Projection as IntegerMatrix);
    }

    /// <summary>Rounds a row of features.</summary>
    public void RoundInput(float* source, int row) => Round((IntegerMatrix)model.KeyValueInput!, source, Input, row);

    /// <summary>Rounds a row of Z.</summary>
    /// <param name="normal">The row.</param>
    /// <param name="positioned">The row plus positions.</param>
    /// <param name="row">The index of the row.</param>
    public void RoundNormal(float* normal, float* positioned, int row)
    {
        Round(_keyMatrix, positioned, Keys, row);
        if (!_areNormalsShared)
            Round(_valueMatrix, normal, Values, row);
    }

    /// <summary>Rounds a row of the output of attention, [S·D].</summary>
    public void RoundOutputs(float* source, int row)
    {
        for (int scope = 0; scope < _outputs.Length; scope++)
            Round(model.Scopes[scope].Output as IntegerMatrix, source + ((nint)scope * model.Config.HiddenSize),
                _outputs[scope], row);
    }

    /// <summary>Rounds a row of branch outputs, [S·D].</summary>
    public void RoundBranches(float* source, int row)
        => Round((IntegerMatrix)model.GateHidden!, source, Branches, row);

    /// <summary>Rounds a fused row.</summary>
    public void RoundFused(float* source, int row) => Round(model.Projection as IntegerMatrix, source, Fused, row);

    private static void Round(IntegerMatrix? matrix, float* source, in IntegerRows rows, int row)
    {
        if (matrix is not null)
            Quantiser<TSimd, TVector>.Quantise(source, matrix.InverseSmoothing, rows, row);
    }

    private static IntegerRows Take(ref PassMemory memory, int rowCount, IntegerMatrix? matrix)
    {
        if (matrix is null)
            return default;
        return new IntegerRows(memory.Take(IntegerRows.FloatsOf(rowCount, matrix)), rowCount, matrix.InnerCount,
            matrix.Type, matrix.Kernel);
    }
}
