"""What adapted generators are measured by: distances, diversity, recognisability, memorisation."""
