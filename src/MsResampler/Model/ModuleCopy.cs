namespace MsResampler.Model;

/// <summary>The copy of a module that a tensor belongs to.</summary>
internal enum ModuleCopy
{
    /// <summary>There is one copy.</summary>
    Only,

    /// <summary>The trained copy of a module that PEFT trained as a whole.</summary>
    Trained,

    /// <summary>The copy from before the training.</summary>
    Original,
}
