using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Training.Passes;

/// <summary>From the concatenated heads to the tokens: output projections, gate, ln_post and proj.</summary>
internal sealed unsafe class FusionStage<TSimd, TVector>(PassContext context, AttentionStage<TSimd, TVector> attention)
    where TSimd : struct, ISimd<TVector>
{
    private readonly ModelParts _parts = context.Parts;
    private readonly ResamplerConfig _config = context.Parts.Config;
    private Rows _branches;
    private Rows _hidden;
    private Rows _activated;
    private Rows _gates;
    private Rows _normal;
    private float* _scales;
    private Rows _fused;
    private Rows _gradient;
    private Rows _branchGradients;
    private Rows _hiddenGradient;
    private Rows _gateGradients;

    private int ScopeCount => _config.Scopes.Count;

    private int GroupCount => _config.GateGroupCount;

    private int GateCount => checked(ScopeCount * GroupCount);

    private bool HasGate => _parts.GateHidden is not null;

    /// <summary>Takes the memory of the forward pass.</summary>
    public void Place(ref PassMemory memory)
    {
        int rows = context.TokenCount;
        _branches = Rows.Take(ref memory, rows, checked(ScopeCount * context.Width));
        if (_config.Gate is { } gate)
        {
            _hidden = Rows.Take(ref memory, rows, gate.HiddenSize);
            _activated = Rows.Take(ref memory, rows, gate.HiddenSize);
            _gates = Rows.Take(ref memory, rows, GateCount);
        }

        _normal = Rows.Take(ref memory, rows, context.Width);
        _scales = memory.Take(rows);
        _fused = Rows.Take(ref memory, rows, context.Width);
    }

    /// <summary>Takes the memory of the backward pass.</summary>
    public void PlaceBackward(ref PassMemory memory, GradientNeeds needs)
    {
        int rows = context.TokenCount;
        if (needs.Fused || _parts.PostNorm.IsTrained)
            _gradient = Rows.Take(ref memory, rows, context.Width);
        if (!HasGate)
        {
            _branchGradients = _gradient;
            return;
        }

        if (needs.GateInput)
            _branchGradients = Rows.Take(ref memory, rows, checked(ScopeCount * context.Width));
        if (needs.Fused)
            _gateGradients = Rows.Take(ref memory, rows, GateCount);
        if (needs.GateHidden)
            _hiddenGradient = Rows.Take(ref memory, rows, _config.Gate!.HiddenSize);
    }

    /// <summary>Adds the phases of the forward pass.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="tokens">Receives the tokens, [B·M, L] without gaps.</param>
    public void AddForward(PhaseList phases, float* tokens)
    {
        int rows = context.TokenCount;
        ProductPhase<TSimd, TVector> outputs = new(context);
        for (int scope = 0; scope < ScopeCount; scope++)
            outputs.Linear(attention.Heads.From(scope * context.Width), rows, _parts.Scopes[scope].OutputProjection,
                _branches.From(scope * context.Width));
        outputs.AddTo(phases, "Outputs");
        if (HasGate)
        {
            ProductPhase<TSimd, TVector> hidden = new(context);
            hidden.Linear(_branches, rows, _parts.GateHidden!, _hidden);
            hidden.AddTo(phases, "GateHidden");
            PassContext.AddRows(phases, "Gelu", rows,
                row => GateRow<TSimd, TVector>.Gelu(_hidden[row], _config.Gate!.HiddenSize, _activated[row]));
            ProductPhase<TSimd, TVector> logits = new(context);
            logits.Linear(_activated, rows, _parts.GateOutput!, _gates);
            logits.AddTo(phases, "GateLogits");
        }

        PassContext.AddRows(phases, "Fuse", rows, row =>
        {
            float* source = _branches[row];
            if (HasGate)
            {
                source = _normal[row];
                FusionGate<TSimd, TVector>.SoftmaxOverScopes(_gates[row], ScopeCount, GroupCount);
                FusionGate<TSimd, TVector>.Sum(_config, _branches[row], _gates[row], source);
            }

            _scales[row] = RowNorm<TSimd, TVector>.Normalise(source, context.Width, _config.LayerNormEpsilon,
                _normal[row]);
            RowNorm<TSimd, TVector>.Apply(_normal[row], _parts.PostNorm, _fused[row]);
        });
        ProductPhase<TSimd, TVector> projection = new(context);
        projection.Linear(_fused, rows, _parts.Projection, new Rows(tokens, _config.OutputSize));
        projection.AddTo(phases, "Tokens");
    }

    /// <summary>Adds the phases from the gradients of the tokens to those of the heads.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="needs">What is needed.</param>
    /// <param name="tokenGradients">The gradients of the tokens, [B·M, L] without gaps.</param>
    public void AddBackward(PhaseList phases, GradientNeeds needs, float* tokenGradients)
    {
        int rows = context.TokenCount;
        Rows tokens = new(tokenGradients, _config.OutputSize);
        ProductPhase<TSimd, TVector> projection = new(context);
        projection.Gradients(tokens, rows, _fused, _parts.Projection);
        if (needs.Fused || _parts.PostNorm.IsTrained)
            projection.InputGradient(tokens, rows, _parts.Projection, _gradient);
        projection.AddTo(phases, "TokensGradient");
        NormPhase<TSimd, TVector>.AddParameters(phases, "PostNormParameters", _gradient, _normal, rows,
            _parts.PostNorm);
        if (!needs.Fused)
            return;
        NormPhase<TSimd, TVector>.AddRows(phases, "PostNormGradient", _gradient, _normal, _scales, rows,
            _parts.PostNorm);
        if (HasGate)
            AddGate(phases, needs, rows);
        ProductPhase<TSimd, TVector> outputs = new(context);
        for (int scope = 0; scope < ScopeCount; scope++)
        {
            int column = scope * context.Width;
            LinearLayer layer = _parts.Scopes[scope].OutputProjection;
            if (!needs.Branch(scope))
                continue;
            outputs.Gradients(_branchGradients.From(column), rows, attention.Heads.From(column), layer);
            if (needs.Attention(scope))
                outputs.InputGradient(_branchGradients.From(column), rows, layer,
                    attention.HeadGradients.From(column));
        }

        outputs.AddTo(phases, "OutputsGradient");
    }

    private void AddGate(PhaseList phases, GradientNeeds needs, int rows)
    {
        int hiddenSize = _config.Gate!.HiddenSize;
        PassContext.AddRows(phases, "FuseGradient", rows, row =>
        {
            GateRow<TSimd, TVector>.SoftmaxGradient(_gradient[row], _branches[row], _gates[row], ScopeCount, GroupCount,
                context.Width, _gateGradients[row]);
            if (needs.GateInput)
                GateRow<TSimd, TVector>.Spread(_gradient[row], _gates[row], ScopeCount, GroupCount, context.Width,
                    _branchGradients[row]);
        });
        ProductPhase<TSimd, TVector> logits = new(context);
        logits.Gradients(_gateGradients, rows, _activated, _parts.GateOutput!);
        if (needs.GateHidden)
            logits.InputGradient(_gateGradients, rows, _parts.GateOutput!, _hiddenGradient);
        logits.AddTo(phases, "GateLogitsGradient");
        if (!needs.GateHidden)
            return;
        PassContext.AddRows(phases, "GeluGradient", rows,
            row => GateRow<TSimd, TVector>.GeluGradient(_hiddenGradient[row], _hidden[row], hiddenSize));
        ProductPhase<TSimd, TVector> hidden = new(context);
        hidden.Gradients(_hiddenGradient, rows, _branches, _parts.GateHidden!);
        if (needs.GateInput)
            hidden.InputGradient(_hiddenGradient, rows, _parts.GateHidden!, _branchGradients, adds: true);
        hidden.AddTo(phases, "GateHiddenGradient");
    }
}
